// SPDX-License-Identifier: GPL-2.0-only
//! Compiles the eBPF programs. The objects are linked into the CLI.

use std::env;
use std::path::PathBuf;
use std::process::{Command, exit};

fn main() {
    for input in ["bpf", "kmod/ip_vs_bpf_abi.h", "kmod/ip_vs_bpf_hash.h"] {
        println!("cargo::rerun-if-changed={input}");
    }
    println!("cargo::rerun-if-env-changed=CLANG");

    compile("bpf/ipvs_bpf.c", "ipvs_bpf.o");
    compile("bpf/toa/toa.c", "toa.o");
}

/// Ends the build if it fails.
fn compile(source: &str, object: &str) {
    let clang = env::var_os("CLANG").unwrap_or_else(|| "clang".into());
    let object = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join(object);
    let mut command = Command::new(&clang);
    command
        .args([
            "-target", "bpf", "-O2", "-g", "-Wall", "-Werror", "-mcpu=v3",
        ])
        // Makes the object independent of the build folder.
        .arg("-fdebug-compilation-dir=.")
        .args(["-I", "kmod", "-c", source, "-o"])
        .arg(object);
    // The reason is in bpf/table.h.
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "x86_64") {
        command.arg("-DIPVS_BPF_ORDERED_LOADS");
    }
    // Debian keeps asm/types.h in a folder for each architecture. Clang does not search
    // it when it compiles for another target.
    if let Some(triplet) = multiarch() {
        command.arg(format!("-I/usr/include/{triplet}"));
    }
    match command.status() {
        Ok(status) if status.success() => {}
        Ok(_) => exit(1),
        Err(error) => {
            eprintln!("{}: {error}; run `make deps`", clang.to_string_lossy());
            exit(1);
        }
    }
}

fn multiarch() -> Option<String> {
    let output = Command::new("cc").arg("-print-multiarch").output().ok()?;
    let triplet = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!triplet.is_empty()).then_some(triplet)
}
