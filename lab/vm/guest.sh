#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The first process of a virtual machine (see lab/vm/run.sh), on the host's files:
# mounts what a running system has, runs the command, reports how it ended. A
# failure here ends the machine with a panic, and lab/vm/run.sh prints the console.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

echo "lab: the guest begins" >/dev/console
# /run/lab has the files from lab/vm/run.sh. The command must not see the token.
kernel=$(</run/lab/kernel) token=$(</run/lab/token) folder=$(</run/lab/folder)
limit=$(</run/lab/limit) share=$(</run/lab/share) cpus=$(</run/lab/cpus)
mapfile -d '' -t environment </run/lab/environment
mapfile -d '' -t command </run/lab/command
mapfile -d '' -t writable </run/lab/writable
rm -r /run/lab

mkdir -p /run/lock /dev/pts /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t bpf bpf /sys/fs/bpf
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup
release=$(uname -r)
mkdir -p "/lib/modules/$release"
mount --bind "$kernel/lib/modules/$release" "/lib/modules/$release"
for i in "${!writable[@]}"; do
	case $share in
	9p) mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=mmap "writable$i" "${writable[$i]}" ;;
	*) mount -t "$share" "writable$i" "${writable[$i]}" ;;
	esac
done
ip link set lo up
hostname lab
# The queues of all namespaces: a burst of one test must not drop the packets of another.
sysctl -qw net.core.netdev_max_backlog=100000
# New namespaces inherit these, so that lab/net/topology.sh need not set them in each.
sysctl -qw net.core.devconf_inherit_init_net=1 net.ipv6.conf.{all,default}.accept_dad=0 \
	net.ipv6.conf.default.router_solicitations=0

# The first tc filter and the first rule of a hook make the kernel patch the packet
# path. An emulated processor that runs this code at that moment may trap forever (seen
# with QEMU 7.2, without our module). So the first ones are added before there are any
# packets, and stay; the namespaces of the tests do not see them. With one processor
# there is no such race, so the cost is avoided.
if [ "$(nproc)" -gt 1 ]; then
	tc qdisc add dev lo clsact
	for hook in prerouting input forward output postrouting; do
		echo "add chain inet lab $hook { type filter hook $hook priority 0; }"
	done | cat <(echo "add table inet lab") - | nft -f -
fi

# Finds a port of lab/vm/run.sh by its number. A port can be opened only once, so the
# command gets pipes.
port() {
	echo /dev/vport*p"$1"
}
# lab/vm/accel.sh watches this port.
[ ! -e "$(port 4)" ] || (while echo; do sleep 1; done >"$(port 4)") </dev/null &
exec {out}> >(exec cat >"$(port 1)")
out_cat=$!
exec {err}> >(exec cat >"$(port 2)")
err_cat=$!
# Some races need a second one, so that tests under a debugging kernel mean less without it.
[ "$(nproc)" -eq "$cpus" ] || echo "lab: the kernel runs on $(nproc) of $cpus processors" >&"$err"

# Shortly before the time is up, print running processes and kernel wait states.
(
	sleep $((limit > 40 ? limit - 20 : limit))
	echo "The time is nearly up. Processes:"
	ps --ppid 2 -p 2 --deselect -o pid,stat,wchan:24,etime,args
	dmesg -n 7
	echo w >/proc/sysrq-trigger
) </dev/null >/dev/console 2>&1 {out}>&- {err}>&- &

group=/sys/fs/cgroup/command
mkdir $group
status=0
(
	echo "$BASHPID" >$group/cgroup.procs
	exec >&"$out" 2>&"$err" {out}>&- {err}>&- </dev/null
	cd "$folder"
	exec env -i -- "${environment[@]}" "${command[@]}"
) || status=$?

# Processes that the command left behind would keep the pipes open.
while grep -q '^populated 1' $group/cgroup.events; do
	mapfile -t left < <(find $group -name cgroup.procs -exec cat {} +)
	kill -KILL "${left[@]}" 2>/dev/null || true
	sleep 0.05
done
exec {out}>&- {err}>&-
wait "$out_cat" "$err_cat" || true
for i in "${!writable[@]}"; do
	sync -f "${writable[$i]}"
done

# The token ends each stream. lab/vm/run.sh stops the machine after three tokens.
{
	echo "$status"
	dmesg
	printf %s "$token"
} >"$(port 3)"
printf %s "$token" >"$(port 1)"
printf %s "$token" >"$(port 2)"
while :; do sleep 60; done
