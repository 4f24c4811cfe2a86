// SPDX-License-Identifier: GPL-2.0-only
//! Checks that the Rust mirrors of `kmod/ip_vs_bpf_abi.h` and `bpf/toa/abi.h` have the
//! layout of these headers. The test scans each header for names. A C program with these
//! names prints the layout that the compiler uses, and the mirror must have the same.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;

use aya::maps::lpm_trie::Key;
use ipvs_bpf::datapath::abi::{
    COUNTERS_ROOM, Control, Counter, Lease, ORIGINAL, PACKET_BITS, PORTS, REPLY, SLOTS, Set4, Set6,
    Slot4, Slot6, Tuple4, Tuple6,
};
use ipvs_bpf::toa::abi::{Client, Counts, OUTCOMES, Outcome, Prefix, Trusted, Tuple};

/// A header, and the lines that describe its mirror.
struct Header {
    path: &'static str,
    mirror_path: &'static str,
    mirror: fn() -> BTreeSet<String>,
}

const HEADERS: [Header; 2] = [
    Header {
        path: "kmod/ip_vs_bpf_abi.h",
        mirror_path: "src/datapath/abi.rs",
        mirror: datapath,
    },
    Header {
        path: "bpf/toa/abi.h",
        mirror_path: "src/toa/abi.rs",
        mirror: toa,
    },
];

/// The declarations of a header, by name.
#[derive(Debug, Default, PartialEq, Eq)]
struct Declarations {
    /// Each structure with its fields, as type and name.
    structures: Vec<(String, Vec<(String, String)>)>,
    /// The values of enumerations, and macros that have a value.
    constants: Vec<String>,
}

#[test]
fn the_rust_mirrors_have_the_layout_and_the_values_of_the_headers() {
    for header in HEADERS {
        let declared = header.read();
        let from_header = layout_by_compiler(&header, &scan(&declared));
        let mirror = (header.mirror)();
        let missing: Vec<_> = from_header.difference(&mirror).cloned().collect();
        let surplus: Vec<_> = mirror.difference(&from_header).cloned().collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "{} says\n  {}\n{} and this test say\n  {}",
            header.path,
            missing.join("\n  "),
            header.mirror_path,
            surplus.join("\n  "),
        );
    }
}

#[test]
fn no_structure_of_the_headers_has_implicit_padding() {
    for header in HEADERS {
        let declarations = scan(&header.read());
        let layout = layout_by_compiler(&header, &declarations);
        for (structure, _) in declarations.structures {
            let number = |line: &String, word: &str| -> usize {
                let mut words = line.split(' ').skip_while(|w| *w != word).skip(1);
                words.next().unwrap().parse().unwrap()
            };
            let of_fields: usize = layout
                .iter()
                .filter(|line| line.starts_with(&format!("{structure}.")))
                .map(|line| number(line, "size"))
                .sum();
            let whole = layout
                .iter()
                .find(|line| line.starts_with(&format!("{structure} ")))
                .unwrap();
            assert_eq!(of_fields, number(whole, "size"), "{structure}");
        }
    }
}

#[test]
fn the_scan_finds_every_kind_of_declaration_and_refuses_what_it_cannot_read() {
    let found = scan(
        "/* struct ghost { int a; }; */\n#define GUARD_H\n#define MANY 7\n\
         struct one {\n\t__be16 a; /* b; */\n\t__u8 c[3];\n};\nenum e {\n\tX = 1,\n\tY /* z */\n};\n",
    );
    let field = |kind: &str, name: &str| (kind.to_owned(), name.to_owned());
    assert_eq!(
        found,
        Declarations {
            structures: vec![(
                "one".to_owned(),
                vec![field("__be16", "a"), field("__u8", "c")]
            )],
            constants: ["MANY", "X", "Y"].map(str::to_owned).to_vec(),
        }
    );
    for unreadable in [
        "struct s { int a, b; };",
        "struct s { struct { int a; } b; };",
        "union u { int a; };",
        "typedef int t;",
    ] {
        assert!(
            std::panic::catch_unwind(|| scan(unreadable)).is_err(),
            "{unreadable}"
        );
    }
}

impl Header {
    fn path(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.path)
    }

    fn read(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }
}

fn size<T, F>(_: impl Fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Adds a line for a structure and for each of its fields, as in the mirror.
macro_rules! structure {
    ($lines:ident, $c_name:literal, $rust:ident: $($field:ident)*) => {
        // Names every field, so that a field that is missing here does not compile.
        let _ = |value: $rust| { let $rust { $($field: _,)* } = value; };
        $lines.insert(format!("{} size {}", $c_name, size_of::<$rust>()));
        $(
            let field = stringify!($field);
            let (name, order) = match field.strip_suffix("_be") {
                Some(name) => (name, "network"),
                None => (field, "host"),
            };
            $lines.insert(format!(
                "{}.{name} offset {} size {} {order}",
                $c_name,
                offset_of!($rust, $field),
                size(|value: &$rust| &value.$field),
            ));
        )*
    };
}

/// A line for each structure, field and constant.
fn datapath() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    structure!(lines, "ipvs_bpf_tuple4", Tuple4: saddr_be daddr_be sport_be dport_be protocol pad);
    structure!(lines, "ipvs_bpf_tuple6", Tuple6: saddr_be daddr_be sport_be dport_be protocol pad);
    structure!(lines, "ipvs_bpf_lease", Lease: until forwarded iif ifindex mtu header transport pseudo macs generation to xdp);
    structure!(lines, "ipvs_bpf_slot4", Slot4: from saddr_be daddr_be sport_be dport_be last lease);
    structure!(lines, "ipvs_bpf_slot6", Slot6: from saddr_be daddr_be sport_be dport_be last lease);
    structure!(lines, "ipvs_bpf_set4", Set4: sequence pad slot);
    structure!(lines, "ipvs_bpf_set6", Set6: sequence pad slot);
    structure!(lines, "ipvs_bpf_control", Control: seed sets generation ports);
    lines.insert(format!("IPVS_BPF_SLOTS = {SLOTS}"));
    lines.insert(format!("IPVS_BPF_PORTS = {PORTS}"));
    lines.insert(format!("IPVS_BPF_ORIGINAL = {ORIGINAL}"));
    lines.insert(format!("IPVS_BPF_REPLY = {REPLY}"));
    lines.insert(format!("IPVS_BPF_PACKET_BITS = {PACKET_BITS}"));
    lines.insert(format!("IPVS_BPF_COUNTERS_ROOM = {COUNTERS_ROOM}"));
    for counter in Counter::ALL {
        lines.insert(format!("{} = {}", counter.c_name(), *counter as u32));
    }
    lines.insert(format!("IPVS_BPF_COUNTERS = {}", Counter::ALL.len()));
    lines
}

/// The same for the receiver. aya has the prefix length as its own field.
fn toa() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    structure!(lines, "toa_trusted", Trusted: pad);
    structure!(lines, "toa_client", Client: address_be port_be pad);
    structure!(lines, "toa_tuple", Tuple: netns remote_be local_be remote_port_be local_port_be pad);
    structure!(lines, "toa_counts", Counts: count);
    let Prefix {
        family: _,
        address_be: _,
    } = Prefix {
        family: 4,
        address_be: [0; 4],
    };
    let length = size_of::<Key<Prefix>>() - size_of::<Prefix>();
    let family = length + offset_of!(Prefix, family);
    let address = length + offset_of!(Prefix, address_be);
    lines.insert(format!("toa_prefix size {}", size_of::<Key<Prefix>>()));
    lines.insert(format!("toa_prefix.length offset 0 size {length} host"));
    lines.insert(format!("toa_prefix.family offset {family} size 4 host"));
    lines.insert(format!(
        "toa_prefix.address offset {address} size 16 network"
    ));
    for outcome in Outcome::ALL {
        lines.insert(format!("{} = {}", outcome.c_name(), outcome as u32));
    }
    lines.insert(format!("TOA_OUTCOMES = {OUTCOMES}"));
    lines
}

/// The same lines from the C compiler.
fn layout_by_compiler(header: &Header, declarations: &Declarations) -> BTreeSet<String> {
    let mut source = format!(
        "#include <stdio.h>\n#include <stddef.h>\n#include \"{}\"\nint main(void)\n{{\n",
        header.path().display()
    );
    for (structure, fields) in &declarations.structures {
        writeln!(
            source,
            "printf(\"{structure} size %zu\\n\", sizeof(struct {structure}));"
        )
        .unwrap();
        for (kind, field) in fields {
            let order = if kind.starts_with("__be") {
                "network"
            } else {
                "host"
            };
            writeln!(
                source,
                "printf(\"{structure}.{field} offset %zu size %zu {order}\\n\", \
                 offsetof(struct {structure}, {field}), sizeof(((struct {structure} *)0)->{field}));"
            )
            .unwrap();
        }
    }
    for constant in &declarations.constants {
        writeln!(
            source,
            "printf(\"{constant} = %lld\\n\", (long long){constant});"
        )
        .unwrap();
    }
    source.push_str("return 0;\n}\n");
    let lines: BTreeSet<String> = run(&source).lines().map(str::to_owned).collect();
    let fields: usize = declarations.structures.iter().map(|(_, f)| f.len()).sum();
    assert_eq!(
        lines.len(),
        declarations.structures.len() + fields + declarations.constants.len()
    );
    lines
}

/// Compiles the C program and returns what it prints.
fn run(source: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static PROGRAMS: AtomicU32 = AtomicU32::new(0);
    let number = PROGRAMS.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = folder.join(format!("abi_layout-{}-{number}", std::process::id()));
    let c = program.with_extension("c");
    fs::write(&c, source).unwrap();
    let compiled = Command::new("cc")
        .args(["-Wall", "-Werror", "-o"])
        .args([&program, &c])
        .output()
        .expect("cc starts: run `make deps`");
    assert!(
        compiled.status.success(),
        "cc:\n{}\n{source}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let output = Command::new(&program).output().unwrap();
    fs::remove_file(&c).unwrap();
    fs::remove_file(&program).unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The declarations of the header. Panics at anything unknown, so that no declaration is
/// missed.
fn scan(header: &str) -> Declarations {
    let mut found = Declarations::default();
    let mut code = String::new();
    for line in without_comments(header).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["#define", name, _, ..] => found.constants.push((*name).to_owned()),
            [first, ..] if first.starts_with('#') => {}
            _ => {
                code.push_str(line);
                code.push('\n');
            }
        }
    }
    let mut rest = code.trim();
    while !rest.is_empty() {
        let (head, tail) = rest.split_once('{').expect("a declaration has a body");
        let (body, tail) = tail.split_once('}').expect("a body ends");
        rest = tail
            .trim_start()
            .strip_prefix(';')
            .unwrap_or_else(|| panic!("a semicolon after the body of {head}"))
            .trim_start();
        match head.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["struct", name] => found
                .structures
                .push(((*name).to_owned(), scan_fields(name, body))),
            ["enum", _] => found.constants.extend(
                body.split(',')
                    .map(|value| value.split('=').next().unwrap().trim().to_owned())
                    .filter(|name| !name.is_empty()),
            ),
            _ => panic!("neither a structure nor an enumeration: {head}"),
        }
    }
    found
}

fn scan_fields(structure: &str, body: &str) -> Vec<(String, String)> {
    let (fields, end) = body.rsplit_once(';').unwrap_or(("", body));
    assert_eq!(end.trim(), "", "struct {structure} ends with a field");
    fields
        .split(';')
        .map(|field| {
            let words: Vec<&str> = field.split_whitespace().collect();
            let [kind @ .., name] = words.as_slice() else {
                panic!("struct {structure} has an empty field");
            };
            let name = name.split('[').next().unwrap();
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(
                !kind.is_empty()
                    && name.chars().all(plain)
                    && kind.iter().all(|word| word.chars().all(plain)),
                "struct {structure}: one plain field a line, not {field:?}"
            );
            (kind.join(" "), name.to_owned())
        })
        .collect()
}

fn without_comments(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("/*") {
        code.push_str(before);
        rest = comment.split_once("*/").expect("a comment ends").1;
    }
    code + rest
}
