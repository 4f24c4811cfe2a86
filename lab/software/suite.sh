#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Functions for scripts of the lab that get packages of another Debian than the host's:
# they source this file. They have a function `die` and the variable `cache`.

# Prints the mirror that the system's apt uses for archives with that label.
mirror() {
	# This is apt's own format, not the shell's.
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' |
		sed -n "s/^Debian $1 //p" | head -n 1
}

# know SUITE [source]: fills `apt` with the options by which apt knows only that suite, and
# no installed package. Includes the suite's security updates if the system gets its own;
# with `source`, source packages.
know() {
	# shellcheck disable=SC2154 # the calling script sets it
	local main security home=$cache/apt/$1${2:+-source} key=/usr/share/keyrings/debian-archive-keyring.gpg
	main=$(mirror Debian) security=$(mirror Debian-Security)
	[ -n "$main" ] || die "apt names no mirror of Debian; run: apt-get update"
	mkdir -p "$home/lists/partial" "$home/cache/archives/partial"
	echo "deb [signed-by=$key target=Packages] $main $1 main" >"$home/sources.list"
	case $security/$1 in
	/* | */*-backports) ;;
	*) echo "deb [signed-by=$key target=Packages] $security $1-security main" >>"$home/sources.list" ;;
	esac
	[ $# -eq 1 ] || echo "deb-src [signed-by=$key target=Sources] $main $1 main" >>"$home/sources.list"
	: >"$home/status"
	apt=(
		-o "Dir::Etc::SourceList=$home/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$home/lists" -o "Dir::Cache=$home/cache"
		-o "Dir::State::status=$home/status"
		# apt's other user may not read the cache, and apt would always report that.
		-o APT::Sandbox::User=root
	)
	# One of the two may be missing: the needed package is looked for below.
	apt-get "${apt[@]}" -qq update || true
}
