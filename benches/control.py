#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The speed of the control plane next to that of ipvsadm: `make bench-control`.

Runs in the lab's VM (see lab/vm/run.sh) with the release build. Both programs do the
same jobs in turns, in one kernel; what counts is the ratio of the processor time
that they take, their share of the kernel's included. Under `lab/vm/run.sh --icount` the
machine's clock is its count of instructions, a nanosecond each, so that the
figures do not depend on how busy the host is.

    benches/control.py PROGRAM REPORT [SERVICES…]

The report, JSON:

    {"kernel": "6.1.0-56-amd64",
     "servers_per_service": 4,
     "sizes": [{
        "services": 5000,
        "jobs": {"JOB": {"seconds": [processor time of each round]}},
        "goals": {"GOAL": {"ratio": 0.4, "limit": 0.5, "reached": true}}}],
     "growth": {"JOB": [time of each size / (size × time of the least)]}}

Jobs: `ipvsadm -R`, `apply` (both from nothing), `ipvsadm -Ln`, `plan` (nothing
to do), `apply of one weight`. Goals: see GOALS. A growth of 1 is linear.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

SERVERS = 4
ROUNDS = {"build": 1, "read": 3}

# Name: the job, what it is compared with, the ratio not to be passed.
GOALS = {
    "apply / ipvsadm -R": ("apply", "ipvsadm -R", 0.5),
    "plan / ipvsadm -Ln": ("plan", "ipvsadm -Ln", 1.0),
    "apply of one weight / plan": ("apply of one weight", "plan", 1.1),
}


def vip(number):
    return f"10.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}:80"


def server(number, index):
    return f"172.{16 + index}.{number >> 8 & 255}.{number & 255}:8080"


def toml(services, weight):
    """The weight is that of one server; all others have 1."""
    lines = []
    for number in range(services):
        lines.append(f'[[service]]\naddress = "tcp://{vip(number)}"\nscheduler = "wrr"\n')
        for index in range(SERVERS):
            this = weight if (number, index) == (services // 2, 1) else 1
            lines.append(
                f'[[service.server]]\naddress = "{server(number, index)}"\n'
                f'weight = {this}\nforward = "masq"\n'
            )
    return "".join(lines)


def rules(services):
    lines = []
    for number in range(services):
        lines.append(f"-A -t {vip(number)} -s wrr\n")
        for index in range(SERVERS):
            lines.append(f"-a -t {vip(number)} -r {server(number, index)} -m -w 1\n")
    return "".join(lines)


class Namespace:
    """A new one for each job that builds from nothing: IPVS keeps the servers
    that were removed for a minute (`dest_trash`) and searches them for each new
    one. What is removed is freed before the next job begins."""

    last = 0

    def __init__(self):
        Namespace.last += 1
        self.name = f"bench{Namespace.last}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        # Without any address no server is unicast.
        subprocess.run(["ip", "-n", self.name, "link", "set", "lo", "up"], check=True)

    def run(self, *command, **options):
        return run("ip", "netns", "exec", self.name, *command, **options)

    def expect(self, services):
        listed = subprocess.run(
            ["ip", "netns", "exec", self.name, "ipvsadm", "-Sn"], stdout=subprocess.PIPE, check=True
        )
        rules, expected = listed.stdout.count(b"\n"), services * (1 + SERVERS)
        if rules != expected:
            sys.exit(f"{rules} rules where {expected} were set")

    def clear(self):
        self.run("ipvsadm", "-C")
        time.sleep(2)


def run(*command, stdin=os.devnull, status=0):
    """The processor time of a command, which must end with this status."""
    with open(stdin) as source:
        process = subprocess.Popen(
            command, stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, ended, used = os.wait4(process.pid, 0)
    ended = process.returncode = os.waitstatus_to_exitcode(ended)
    if ended != status:
        sys.exit(f"{' '.join(command)}: exit status {ended}, not {status}")
    return used.ru_utime + used.ru_stime


def measure(program, services, folder):
    def path(name, text):
        name = os.path.join(folder, name)
        with open(name, "w") as file:
            file.write(text)
        return name

    file, changed = path("lb.toml", toml(services, 1)), path("changed.toml", toml(services, 2))
    saved = path("rules", rules(services))
    jobs = {}

    def job(name, namespace, *command, **options):
        seconds = namespace.run(*command, **options)
        jobs.setdefault(name, {"seconds": []})["seconds"].append(seconds)
        print(f"{services:>7}  {name:<22}{seconds:>10.2f}", flush=True)

    for number in range(ROUNDS["build"]):
        theirs, ours = Namespace(), Namespace()
        job("ipvsadm -R", theirs, "ipvsadm", "-R", stdin=saved)
        theirs.expect(services)
        theirs.clear()
        job("apply", ours, program, "apply", "-f", file)
        ours.expect(services)
        if number + 1 < ROUNDS["build"]:
            ours.clear()
    for _ in range(ROUNDS["read"]):
        job("ipvsadm -Ln", ours, "ipvsadm", "-Ln")
        job("plan", ours, program, "plan", "-f", file)
        job("apply of one weight", ours, program, "apply", "-f", changed)
        ours.run(program, "plan", "-f", file, status=2)
        ours.run(program, "apply", "-f", file)
    ours.clear()

    goals = {}
    for goal, (one, other, limit) in GOALS.items():
        ratio = middle(jobs[one]) / middle(jobs[other])
        goals[goal] = {"ratio": round(ratio, 3), "limit": limit, "reached": ratio <= limit}
    return {"services": services, "jobs": jobs, "goals": goals}


def middle(job):
    return statistics.median(job["seconds"])


def growth(sizes):
    least = sizes[0]
    return {
        name: [
            round(
                middle(size["jobs"][name]) / middle(job) * least["services"] / size["services"], 2
            )
            for size in sizes
        ]
        for name, job in least["jobs"].items()
    }


def table(report):
    sizes = report["sizes"]
    print(f"\n{'processor time, middle':<28}" + "".join(f"{s['services']:>10}" for s in sizes))
    for name in sizes[0]["jobs"]:
        print(f"{name:<28}" + "".join(f"{middle(s['jobs'][name]):>10.2f}" for s in sizes))
    print(f"\n{'ratio':<28}" + "".join(f"{s['services']:>10}" for s in sizes) + "      goal")
    for name, (_, _, limit) in GOALS.items():
        ratios = "".join(f"{s['goals'][name]['ratio']:>10.2f}" for s in sizes)
        print(f"{name:<28}{ratios}   ≤ {limit:.2f}")
    print(f"\n{'growth, 1 is linear':<28}")
    for name, values in report["growth"].items():
        print(f"{name:<28}" + "".join(f"{value:>10.2f}" for value in values))


def main():
    program, place = sys.argv[1:3]
    counts = sorted(int(word) for word in sys.argv[3:]) or [1250, 5000, 20000]
    subprocess.run(["modprobe", "ip_vs"], check=True)
    sizes = []
    for services in counts:
        with tempfile.TemporaryDirectory() as folder:
            sizes.append(measure(program, services, folder))
    report = {
        "kernel": os.uname().release,
        "servers_per_service": SERVERS,
        "sizes": sizes,
        "growth": growth(sizes),
    }
    with open(place, "w") as file:
        json.dump(report, file, indent=1)
    table(report)


main()
