#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A kernel that has no headers, so that DKMS built no module for it.
set -euo pipefail
cd /lab
# shellcheck source=tests/packages/proves.sh
source proves.sh

echo "== Linux $(uname -r), without its headers"
refuses "there is no module" modinfo ip_vs_bpf
journal
proves "the unit failed at boot" [ "$(systemctl is-failed ipvs-bpf)" = failed ]
proves "the journal names what is missing" journal_says "the headers of this kernel"
proves "doctor names it" doctor_says "there is no module ip_vs_bpf for this kernel"
proves "nothing runs" nothing_runs
