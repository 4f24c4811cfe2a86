// SPDX-License-Identifier: GPL-2.0-only
//! Scripts for bash and zsh that extend those of clap. Fish needs no extension.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_complete::env::{self, EnvCompleter};

/// Bash ends words at each `:` and `=`, and replaces only the part after the last one. So
/// it splits `tcp://10.0.0.1:80` into five words. The script joins them before it asks,
/// and removes the part up to the last `:` from the answers.
pub struct Bash;

const BASH: &str = r#"_ipvs_bpf() {
    local IFS=$'\013' line=$COMP_LINE breaks=${COMP_WORDBREAKS//[^:=]/} words=() i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        if ((i == 0)) || [[ $line == [[:blank:]]* ]]; then
            words+=("${COMP_WORDS[i]}")
        else
            words[${#words[@]} - 1]+=${COMP_WORDS[i]}
        fi
        line=${line#*"${COMP_WORDS[i]}"}
    done
    local last=$((${#words[@]} - 1))
    local word=${words[last]} front=''
    [[ -z $breaks ]] || front=${word%"${word##*["$breaks"]}"}
    COMPREPLY=($(
        _CLAP_IFS=$IFS _CLAP_COMPLETE_INDEX=$last VAR=bash COMPLETER -- "${words[@]}"
    )) || COMPREPLY=()
    COMPREPLY=("${COMPREPLY[@]#"$front"}")
    if [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != */ ]]; then
        compopt +o nospace 2>/dev/null
    fi
}
complete -o nospace -o bashdefault -F _ipvs_bpf BIN
"#;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        env::Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        env::Bash.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        _name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> io::Result<()> {
        let script = BASH
            .replace("VAR", var)
            .replace("BIN", bin)
            .replace("COMPLETER", completer);
        buf.write_all(script.as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        buf: &mut dyn Write,
    ) -> io::Result<()> {
        env::Bash.write_complete(command, words, folder, buf)
    }
}

/// At its first use, a file of zsh's `fpath` becomes the body of the function. So this
/// first call must complete as well.
pub struct Zsh;

const ZSH: &str = r#"
if [[ $funcstack[1] == _ipvs-bpf ]]; then
    _clap_dynamic_completer_ipvs_bpf "$@"
fi
"#;

impl EnvCompleter for Zsh {
    fn name(&self) -> &'static str {
        env::Zsh.name()
    }

    fn is(&self, name: &str) -> bool {
        env::Zsh.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        buf: &mut dyn Write,
    ) -> io::Result<()> {
        env::Zsh.write_registration(var, name, bin, completer, buf)?;
        buf.write_all(ZSH.as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        buf: &mut dyn Write,
    ) -> io::Result<()> {
        env::Zsh.write_complete(command, words, folder, buf)
    }
}
