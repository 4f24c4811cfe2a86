// SPDX-License-Identifier: GPL-2.0-only
//! The Rust mirror of the shared ABI has the layout that C gives it.

use std::collections::BTreeMap;
use std::mem::{offset_of, size_of};
use std::path::Path;
use std::process::Command;

use ipvs_bpf::datapath::abi::{ORIGINAL, REPLY, Service, Session4, Tuple4};

const HEADER: &str = include_str!("../kmod/ip_vs_bpf_abi.h");

/// "struct name" → size, "struct name.field" → offset, as Rust has them.
fn rust() -> BTreeMap<String, usize> {
    let mut layout = BTreeMap::new();
    macro_rules! mirror {
        ($c:literal, $rust:ty, $($c_field:literal = $field:ident),+) => {
            layout.insert($c.to_owned(), size_of::<$rust>());
            $(layout.insert(format!("{}.{}", $c, $c_field), offset_of!($rust, $field));)+
        };
    }
    mirror!(
        "ipvs_bpf_tuple4",
        Tuple4,
        "saddr" = saddr_be,
        "daddr" = daddr_be,
        "sport" = sport_be,
        "dport" = dport_be,
        "protocol" = protocol,
        "pad" = pad
    );
    mirror!(
        "ipvs_bpf_session4",
        Session4,
        "saddr" = saddr_be,
        "daddr" = daddr_be,
        "sport" = sport_be,
        "dport" = dport_be,
        "service" = service,
        "direction" = direction,
        "pad" = pad
    );
    mirror!(
        "ipvs_bpf_service",
        Service,
        "vaddr" = vaddr_be,
        "vport" = vport_be,
        "protocol" = protocol,
        "family" = family
    );
    layout
}

/// The structs of the header with their fields, by name.
fn fields() -> Vec<(String, Vec<String>)> {
    let code: String = HEADER
        .split("/*")
        .map(|text| text.split_once("*/").map_or(text, |(_, code)| code))
        .collect();
    code.split("\nstruct ")
        .skip(1)
        .map(|text| {
            let (name, rest) = text.split_once(" {").unwrap();
            let body = rest.split("\n};").next().unwrap();
            let names = body.split(';').filter_map(|declaration| {
                let name = declaration.split_whitespace().last()?;
                Some(name.split('[').next()?.to_owned())
            });
            (name.to_owned(), names.collect())
        })
        .collect()
}

/// The same as C has them: compiled and asked.
fn c() -> BTreeMap<String, usize> {
    let mut program = String::from(
        "#include <stddef.h>\n#include <stdio.h>\n#include \"ip_vs_bpf_abi.h\"\nint main(void) {\n",
    );
    for (name, fields) in fields() {
        program += &format!("printf(\"{name} %zu\\n\", sizeof(struct {name}));\n");
        for field in fields {
            program +=
                &format!("printf(\"{name}.{field} %zu\\n\", offsetof(struct {name}, {field}));\n");
        }
    }
    program += "printf(\"original %d\\nreply %d\\n\", IPVS_BPF_ORIGINAL, IPVS_BPF_REPLY);\n}\n";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(folder.join("layout.c"), program).unwrap();
    let status = Command::new("cc")
        .args(["-Ikmod", "-o"])
        .args([folder.join("layout"), folder.join("layout.c")])
        .status()
        .unwrap();
    assert!(status.success());
    let output = Command::new(folder.join("layout")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| {
            let (name, value) = line.split_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn every_struct_and_field_of_the_header_has_its_mirror_at_the_same_place() {
    let mut c = c();
    assert_eq!(c.remove("original"), Some(ORIGINAL.into()));
    assert_eq!(c.remove("reply"), Some(REPLY.into()));
    assert_eq!(rust(), c);
}
