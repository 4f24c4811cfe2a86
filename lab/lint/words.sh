#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Checks the words that a machine can check: archaic ones in documents and messages, how
# a comment opens, and the subjects of the newest commits (CONTRIBUTING.md).
set -euo pipefail
cd "$(dirname "$0")/../.."
status=0

# report WHY PATTERN FILE…: lines that have the pattern (of grep -P) are mistakes.
report() {
	local why=$1 pattern=$2
	shift 2
	if grep -nP -- "$pattern" "$@"; then
		echo "lab/lint/words.sh: $why" >&2
		status=1
	fi
}

# Turns that no reader of today would use.
archaic='\b(put together|narrower|known are|the version before|works on until|as (it|they) came\b|none of ours|says? nothing|(go|goes|went) on\b|comes? in (by|at)\b|belongs? into|[Ii]n full NAT|sees? no (packet|client)|see none of|hears? of|know(s|n)? nothing of|would not do\b|lives? on\b|tells? of|others wrote|speaks? of|put right|of no use|for want of|one page a|afresh|exclude each other|is there twice|takes? it away|lives? in it|less going on|just now|a line a|of one text)\b'
documents=(README.md Makefile CONTRIBUTING.md SECURITY.md docs/*.md docs/*/*.md man/*)
report 'say fix, again, next to, or name who does it' \
	'\b([Mm]end(s|ed|ing)?|[Aa]new|[Ww]hoever|[Bb]esides?|of others[.,:;]|told of)\b' "${documents[@]}"
report 'say unchanged, takes effect, is in, recent, another program, …, or says' \
	'(?<!long )\bas it is\b(?! carried)|\b[Tt]akes? hold\b|\b(stands?|hangs|lies) (in|among|side|at|below)\b|\b(of late|[Ss]omebody|(its|their) like|(is|are) said)\b' \
	"${documents[@]}"
report 'say is told, has no entry, continues, reverted, …' \
	"$archaic" "${documents[@]}"
report 'say "is not a …"' '(?<![Hh]ere )\bis no (?!more\b|longer\b)[a-z]' "${documents[@]}"

# A code block ends its sentence: the next one has a subject of its own.
if awk 'FNR == 1 { code = after = 0 }
	/^ *```/ { code = !code; after = !code; next }
	code || /^$/ { next }
	after && /^ *[a-z]/ && !/^ *keepalived/ { print FILENAME ":" FNR ":" $0; found = 1 }
	{ after = 0 }
	END { exit !found }' "${documents[@]}"; then
	echo 'lab/lint/words.sh: a sentence begins after the code block, with a capital letter' >&2
	status=1
fi

mapfile -t sources < <(find src tests benches build.rs kmod bpf lab -name '*.rs' -o -name '*.[ch]')
report 'a comment names its subject first' \
	'^\s*(//[/!]?|\*|/\*) (Of|What|Whether|That of) ' "${sources[@]}"
report 'a second comment begins in the line' '^\s*//[/!].*///' "${sources[@]}"
mapfile -t messages < <(find src -name '*.rs')
report 'say unchanged, takes effect, another program, …, or says' \
	'^(?!\s*//).*"[^"]*(\b(as it is\b(?! (not|carried))|[Tt]akes? hold|of late|[Ss]omebody|(its|their) like|(is|are) said)\b|\bno longer so\b)' \
	"${messages[@]}"
report 'say is told, has no entry, continues, reverted, …' \
	'^(?!\s*//).*"[^"]*'"$archaic" "${messages[@]}"
mapfile -t module < <(find kmod -name '*.[ch]')
report 'say "is not a …"' '^(?!\s*//).*"[^"]*(?<!here )\bis no [a-z{]' "${messages[@]}" "${module[@]}"
mapfile -t tests < <(find src tests -name '*.rs')
report "a test's name is a sentence that a person would say" \
	'\bfn (what_\w*|\w*_(is_no|are_no|is_none|are_none|somebody|mends?|anew|besides?|hangs?|stands?|takes_hold|told_of|of_others|beside|nearly)(_\w*)?)\(\)' "${tests[@]}"

# Published commits can no longer be changed.
[ -n "${CI:-}" ] || while read -r hash subject; do
	[[ ${#subject} -le 72 && $subject =~ ^[a-z0-9A-Z_./-]+:\ [a-z] ]] && continue
	echo "lab/lint/words.sh: the subject of commit $hash is not \"area: imperative\" in 72 characters: $subject" >&2
	status=1
done < <(git log -50 --no-merges --format='%h %s' 2>/dev/null)
exit "$status"
