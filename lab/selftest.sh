#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Checks what lab/vm/run.sh promises. Prints one line for each promise, and stops at the first
# broken one.
set -euo pipefail
cd "$(dirname "$0")/.."

scratch=$(mktemp -d)
jobs=()
cleanup() {
	for job in "${jobs[@]}"; do kill -KILL "$job" 2>/dev/null || true; done
	rm -rf "$scratch"
}
trap cleanup EXIT
cache=${IPVS_BPF_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvs-bpf/lab}
# The machines of this test have their own cache, except for the kernels, so that their
# leftovers can be told from other runs' machines.
mkdir "$scratch/lab"
ln -s "$(realpath "$cache")/kernels" "$scratch/lab/kernels"
export IPVS_BPF_LAB=$scratch/lab

broken() {
	echo "BROKEN: $*" >&2
	for file in "$scratch"/{out,err}; do
		[ ! -s "$file" ] || sed "s/^/  $(basename "$file"): /" "$file" | tail -n 30 >&2
	done
	exit 1
}

# proves SENTENCE COMMAND…: the command must succeed.
proves() {
	local sentence=$1
	shift
	"$@" || broken "$sentence"
	echo "ok  $sentence"
}

# Runs lab/vm/run.sh; its output is in $scratch/out and err, its status in $status.
vm() {
	status=0
	lab/vm/run.sh "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
}

out_is() { [ "$(cat "$scratch/out")" = "$1" ]; }
err_has() { grep -q -- "$1" "$scratch/err"; }

running() { pgrep -f "$scratch/lab/runs" >/dev/null; }
nothing_left() {
	for _ in {1..50}; do
		running || return 0
		sleep 0.1
	done
	return 1
}
no_files() { [ -z "$(ls "$scratch/lab/runs")" ]; }

# Starts lab/vm/run.sh as a terminal would, in a process group of its own with
# interrupts on, and waits until its command runs.
start() {
	: >"$scratch/out"
	# shellcheck disable=SC2016 # for the inner shell
	setsid python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' \
		lab/vm/run.sh --timeout 120 -- sh -c 'echo runs; exec sleep 300' >"$scratch/out" 2>"$scratch/err" </dev/null &
	started=$!
	jobs+=("$started")
	for _ in {1..600}; do
		if grep -q runs "$scratch/out"; then
			running || broken "a running machine is not seen"
			return
		fi
		sleep 0.1
	done
	broken "the machine does not start"
}

ended_with() {
	local ended=0
	wait "$started" 2>/dev/null || ended=$?
	[ "$ended" -eq "$1" ]
}

# A QEMU whose KVM hangs, as nested KVM may.
mkdir "$scratch/bin"
cat >"$scratch/bin/qemu-system-x86_64" <<END
#!/bin/bash
[[ " \$* " != *" -accel kvm "* ]] || { echo >>"$scratch/hung"; exec sleep 300; }
exec $(command -v qemu-system-x86_64) "\$@"
END
chmod +x "$scratch/bin/qemu-system-x86_64"
hangs() { [ "$(wc -l <"$scratch/hung")" -eq "$1" ]; }
path=$PATH
PATH=$scratch/bin:$PATH
LAB_ACCEL=both vm -- true
proves "LAB_ACCEL is checked" err_has "kvm or tcg"
unset LAB_ACCEL
vm -- echo fine
proves "where KVM hangs, a machine is emulated" out_is fine
proves "… which one line says" test "$(cat "$scratch/err")" = "$(grep "^lab: KVM does not run" "$scratch/err")"
vm -- echo fine
proves "the answer is kept, and not said again" test "$(cat "$scratch/out" "$scratch/err")" = fine
proves "… so KVM was tried once" hangs 1
for answer in "$scratch/lab/accel/"*; do
	echo "$(</proc/sys/kernel/random/boot_id) kvm" >"$answer"
done
LAB_PATIENCE=5 vm -- echo fine
proves "a machine that makes no progress under KVM starts again by emulation" out_is fine
proves "… which is said" err_has "^lab: the machine stopped making progress under KVM"
proves "… with its files gone" no_files
vm -- echo fine
proves "… and KVM is not used again" hangs 2
for answer in "$scratch/lab/accel/"*; do
	echo "of-another-boot tcg" >"$answer"
done
vm -- echo fine
proves "the answer of another boot of the host does not count" hangs 3
# A QEMU whose emulation hangs once.
cat >"$scratch/bin/qemu-system-x86_64" <<END
#!/bin/bash
[ -e "$scratch/burnt" ] || { echo >"$scratch/burnt"; while :; do :; done; }
exec $(PATH=$path command -v qemu-system-x86_64) "\$@"
END
LAB_PATIENCE=2 LAB_ACCEL=tcg vm -- echo fine
proves "a machine that never begins under emulation starts again" out_is fine
proves "… which is said" err_has "^lab: the machine did not come up"
PATH=$path
rm -r "$scratch/lab/accel"
# The answer of this host, printed once.
vm -- true
cat "$scratch/err"

# A host that has IPVS, and its root.
mkdir "$scratch/ipvs"
# shellcheck disable=SC2016 # for the stub
echo '[ "$1" = -n ] || exec '"$(PATH=$PATH:/usr/sbin:/sbin command -v modprobe)"' "$@"' >"$scratch/ipvs/modprobe"
echo echo 0 >"$scratch/ipvs/id"
printf '#!/bin/sh\nuname -n\ncat /proc/cmdline\n' >"$scratch/e2e-test"
chmod +x "$scratch/ipvs/"* "$scratch/e2e-test"
# Runs lab/runner.sh as cargo does for such a root; its output is in out and err.
runner() {
	status=0
	PATH=$scratch/ipvs:$PATH lab/runner.sh "$scratch/e2e-test" >"$scratch/out" 2>"$scratch/err" || status=$?
}
KERNEL_ARGS="lab.of=selftest" runner
proves "end-to-end tests run in a machine though the host has IPVS" grep -qx lab "$scratch/out"
proves "KERNEL_ARGS are the kernel's" grep -q ' lab.of=selftest' "$scratch/out"
LAB=native runner
proves "LAB=native runs them on the host" grep -qx "$(uname -n)" "$scratch/out"
proves "… which is said" err_has "THIS HOST"
LAB=host runner
proves "LAB is checked" test "$status" -eq 2

# An apt whose lock another apt holds at the first try, on a host without any package.
mkdir "$scratch/apt"
cat >"$scratch/apt/apt-get" <<END
echo "\$*" >>"$scratch/apt/calls"
[ "\$(wc -l <"$scratch/apt/calls")" -gt 1 ] || {
	echo "E: Could not get lock /a/lock. It is held by process 1 (other)" >&2
	exit 100
}
END
: >"$scratch/apt/dpkg-query"
# shellcheck disable=SC2016 # for the stub
echo 'exec "$@"' >"$scratch/apt/sudo"
chmod +x "$scratch/apt/"*
PATH=$scratch/apt:$PATH lab/deps.sh packages >"$scratch/out" 2>"$scratch/err"
proves "lab/deps.sh waits for another apt" test "$(cut -d ' ' -f 2 "$scratch/apt/calls" | tr '\n' ' ')" = "update update install "
proves "… and says so" err_has "waiting for another apt to end: Could not get lock /a/lock. It is held by process 1"

# Wrong usage is reported before anything starts.
vm --cpus two -- true
proves "wrong usage exits 2" test "$status" -eq 2
proves "… and names the option" err_has "--cpus"
vm --kernel 1.0 -- true
proves "a kernel that is not there: run make deps" err_has "make deps"

# A version is of one flavour: 6.1 is not a kernel for real time or for clouds.
mkdir -p "$scratch/flavours/kernels/"{6.1.0-9-amd64,6.1.0-10-amd64,6.1.0-10-{rt,cloud}-amd64,6.1.99-{debug,kcsan},6.12.1-amd64}
release_is() { [ "$(IPVS_BPF_LAB=$scratch/flavours lab/software/kernel.sh release "$1")" = "$2" ]; }
for pair in 6.1=6.1.0-10-amd64 6.1-rt=6.1.0-10-rt-amd64 6.1-cloud=6.1.0-10-cloud-amd64 debug=6.1.99-debug kcsan=6.1.99-kcsan 6.1.0-9=6.1.0-9-amd64; do
	proves "kernel ${pair%=*} is ${pair#*=}" release_is "${pair%=*}" "${pair#*=}"
done

# Many promises share this machine.
export LAB_SELFTEST=$'a "value"\nof two lines'
seq 1 100000 >"$scratch/many"
mkdir "$scratch/stays" "$scratch/goes"
# shellcheck disable=SC2016 # for the guest's shell
vm --writable "$scratch/stays" -- bash -euc '
	cat "$1"
	echo error >&2
	echo "$0|$2|$3|$LAB_SELFTEST|$PWD|$(hostname)|$(id -u)" >"$4/stays/seen"
	echo lost >"$4/goes/seen"
	grep -q " / overlay" /proc/mounts
	[ "$(stat -f -c %T /sys/fs/bpf)" = bpf_fs ]
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]
	[ -e /sys/kernel/tracing/events ] && [ -c /dev/ptmx ] && [ -w /dev/shm ]
	[ -z "$(cat)" ]
	[ -e "/lib/modules/$(uname -r)/build/Module.symvers" ]
	modprobe -a ip_vs ip_vs_wrr nf_conntrack veth
	grep -q ^ip_vs_wrr /proc/modules
	ip netns add a
	ip netns add b
	ip -n a link add eth0 type veth peer name eth0 netns b
	ip -n a addr add 10.9.0.1/24 dev eth0
	ip -n b addr add 10.9.0.2/24 dev eth0
	ip -n a link set eth0 up
	ip -n b link set eth0 up
	ip netns exec a ip netns exec b ip -o addr show dev eth0 | grep -q 10.9.0.2
	exec 3< <(ip netns exec b python3 -ISuc "import socket
s = socket.create_server((\"10.9.0.2\", 80))
print(\"listens\")
s.accept()[0].sendall(b\"hello\")")
	read -r <&3
	[ "$(ip netns exec a bash -c "cat </dev/tcp/10.9.0.2/80")" = hello ]
	sleep 1000 &
	exit 7
' 'two  words' "$scratch/many" $'"quotes"\' and\na line' '' "$scratch"
proves "the exit status is passed on" test "$status" -eq 7
proves "standard output arrives whole in a file" cmp -s "$scratch/many" "$scratch/out"
proves "standard error is apart" test "$(cat "$scratch/err")" = error
seen=$(cat "$scratch/stays/seen")
proves "arguments, environment, folder arrive exactly, and below --writable files stay" \
	test "$seen" = $'two  words|"quotes"\' and\na line|'"|$LAB_SELFTEST|$PWD|lab|0"
proves "what is written elsewhere is gone" test ! -e "$scratch/goes/seen"
proves "IPVS, conntrack, veth, namespaces, bpffs and a connection between namespaces" test "$status" -eq 7
proves "no file is left" no_files
proves "no process is left" nothing_left

vm -- no-such-command
proves "a command that is missing exits 127" test "$status" -eq 127
vm -- bash -c 'kill -KILL $$'
proves "a command that a signal ended exits 128 + the signal" test "$status" -eq 137

slow=$( (lab/vm/run.sh -- cat "$scratch/many" 2>"$scratch/err") | (sleep 8 && md5sum))
proves "a slow reader loses nothing" test "$slow" = "$(md5sum <"$scratch/many")"
status=0
script -qec "lab/vm/run.sh -- bash -c 'echo hi; exit 3'" /dev/null >"$scratch/out" </dev/null || status=$?
proves "a terminal as output" test "$status $(tr -d '\r\n' <"$scratch/out")" = "3 hi"
SECONDS=0
lab/vm/run.sh --timeout 300 -- yes 2>"$scratch/err" | head -n 1 >"$scratch/out" || true
proves "a reader that goes away ends the machine" test "$SECONDS" -lt 120
proves "… and got what it read" out_is y

vm --cpus 2 -- nproc
proves "a machine has as many processors as it is given" out_is 2
vm --cpus 2 --kernel-args maxcpus=1 -- true
proves "… and says if its kernel uses fewer" err_has "^lab: the kernel runs on 1 of 2 processors"
vm --timeout 8 -- sleep 100
proves "the time limit exits 124" test "$status" -eq 124
proves "… and says so" err_has "ended after 8 s"

vm -- bash -c 'echo fine; echo "<4>WARNING: CPU: 0 PID: 1 at nowhere" >/dev/kmsg'
proves "a warning of the kernel fails a run that is fine" test "$status" -eq 125
proves "… and is shown" err_has "WARNING: CPU: 0 PID: 1 at nowhere"
proves "… next to the output" out_is fine
vm -- bash -c 'echo "<3>BUG kmalloc-64 (Tainted: G): Poison overwritten" >/dev/kmsg'
proves "so does a slab that was written to after it was freed" test "$status" -eq 125
traces() {
	vm -- bash -c "for line in 'Call Trace:' ' <TASK>' ' dump_stack_lvl+0x51/0x66' ' $1+0x7aa/0x1350'; do
		echo \"<4>\$line\" >/dev/kmsg
	done"
}
traces __register_sysctl_table
proves "a stack that the kernel prints for want of memory passes" test "$status" -eq 0
traces __kmalloc
proves "… and another does not" test "$status" -eq 125
vm --allow-warnings -- bash -c 'echo "<4>WARNING: CPU: 0" >/dev/kmsg'
proves "--allow-warnings lets it pass" test "$status" -eq 0
vm --timeout 120 -- bash -c 'echo before; echo c >/proc/sysrq-trigger; sleep 60'
proves "a panic exits 125" test "$status" -eq 125
proves "… and shows the console" err_has "Kernel panic"

# shellcheck disable=SC2016 # for the guest's shell
vm --cables 1 --card vmxnet3 -- bash -euc '
	modprobe vmxnet3
	ip netns add far
	ip link set eth1 netns far
	ip addr add 10.9.0.1/24 dev eth0
	ip link set eth0 up
	ip -n far addr add 10.9.0.2/24 dev eth1
	ip -n far link set eth1 up
	ping -qc 1 -W 60 10.9.0.2 >/dev/null
	cat /sys/class/net/eth0/address
	basename "$(readlink /sys/class/net/eth0/device/driver)"'
proves "a cable joins two cards of a model" out_is $'52:54:00:ca:01:01\nvmxnet3'

# A bridge joins two cards. Of four frames for it, one is multicast.
# shellcheck disable=SC2016 # for the guest's shell
vm --generator virtio-net-pci -- bash -euc '
	modprobe virtio_net
	grep -q 52:54:00:9e:00:01 /sys/class/net/eth0/address
	grep -q 52:54:00:9e:00:02 /sys/class/net/eth1/address
	sysctl -qw net.ipv6.conf.all.disable_ipv6=1
	ip link add bridge type bridge forward_delay 0
	for card in eth0 eth1; do ip link set "$card" up master bridge; done
	ip link set bridge up
	python3 -ISuc "import glob, struct
port = open(glob.glob(\"/dev/vport*p5\")[0], \"r+b\", buffering=0)
frame = lambda to: struct.pack(\">I\", 60) + bytes([to, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]) + bytes(48)
frames = 3 * frame(2) + frame(3)
port.write(b\"l\" + struct.pack(\">BI\", 0, len(frames)) + frames)
port.write(b\"s\" + struct.pack(\">HB\", 3, 1))
print(struct.unpack(\">I\", port.read(4)))
port.write(b\"t\")
print(struct.unpack(\">IIBI\", port.read(13)), port.read(60)[0])"
'
proves "frames of the generator come to a card and, from the other one, back" \
	out_is $'(3,)\n(1, 3, 1, 60) 2'
proves "… and no process is left" nothing_left

start
kill -INT -- "-$started"
proves "an interrupt ends the machine with 130" ended_with 130
proves "… and leaves no process" nothing_left
proves "… and no file" no_files
start
disown "$started"
kill -KILL "$started"
proves "a kill leaves no process" nothing_left

lab/vm/run.sh --cpus 1 -- echo one >"$scratch/one" 2>&1 &
one=$!
lab/vm/run.sh --icount -- echo two >"$scratch/two" 2>&1 &
two=$!
wait "$one" "$two" || true
proves "two machines at once, one of them counting instructions" \
	test "$(cat "$scratch/one" "$scratch/two")" = $'one\ntwo'
proves "… and the next run removed what the kill left" no_files
