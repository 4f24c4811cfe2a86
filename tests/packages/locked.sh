#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A kernel in lockdown, as Secure Boot has it, which does not know the key of DKMS.
set -euo pipefail
cd /lab
# shellcheck source=tests/packages/proves.sh
source proves.sh

echo "== Linux $(uname -r), lockdown: $(</sys/kernel/security/lockdown)"
proves "DKMS signed the module" [ "$(modinfo -F signer ip_vs_bpf)" = "DKMS module signing key" ]
grep asymmetri /proc/keys
journal
proves "the unit failed at boot" [ "$(systemctl is-failed ipvs-bpf)" = failed ]
proves "the journal names the signature" journal_says "only modules that are signed with an enrolled key"
proves "… and what makes the key known" journal_says "mokutil --import /var/lib/dkms/mok.pub"
proves "doctor names it" doctor_says "ip_vs_bpf is not signed with a key that this kernel knows"
proves "nothing runs" nothing_runs
