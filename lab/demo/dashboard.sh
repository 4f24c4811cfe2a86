#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Collects what the dashboard of packaging/grafana shows for a director with traffic: the
# metrics of `ipvs-bpf metrics`, by node_exporter and Prometheus, as in docs/reference/metrics.md.
#
#   lab/demo/dashboard.sh FILE    in a virtual machine; FILE gets the panels' answers
#
# IPVS_BPF is the CLI to use. lab/software/promtool.sh fetches both programs.
set -euo pipefail

lab=$(dirname "$(dirname "$(readlink -f "$0")")")
cli=${IPVS_BPF:-$lab/../target/release/ipvs-bpf}
cache=$(realpath -m "${IPVS_BPF_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/ipvs-bpf/lab}")/prometheus
seconds=1200 interval=15

# shellcheck source=lab/demo/busy.sh
source "$lab/demo/busy.sh"

# Does what the timer does.
write_metrics() {
	while sleep "$interval"; do
		director "$cli" metrics --format prometheus --output "$work/textfile/ipvs-bpf.prom"
	done
}

# A server is taken out for maintenance, and comes back.
maintain() {
	sleep $((seconds * 4 / 10))
	director "$cli" weight tcp://10.0.0.1:80 10.2.0.3:8080 0
	sleep $((seconds * 2 / 10))
	director "$cli" weight tcp://10.0.0.1:80 10.2.0.3:8080 1
}

start_prometheus() {
	ip link set lo up
	mkdir "$work/textfile"
	"$cache/prometheus-node-exporter" --collector.disable-defaults --collector.textfile \
		--collector.textfile.directory="$work/textfile" --web.listen-address=127.0.0.1:9100 \
		2>"$work/exporter.log" &
	cat >"$work/prometheus.yml" <<-END
		scrape_configs:
		  - job_name: node
		    scrape_interval: ${interval}s
		    static_configs:
		      - targets: ["127.0.0.1:9100"]
		        labels: { instance: director }
	END
	"$cache/prometheus" --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" \
		--web.listen-address=127.0.0.1:9090 2>"$work/prometheus.log" &
	until curl -sf http://127.0.0.1:9090/-/ready >/dev/null; do sleep 1; done
}

[ $# -eq 1 ] || {
	echo "usage: lab/demo/dashboard.sh FILE" >&2
	exit 2
}
work=$(mktemp -d)
start_director
start_prometheus
write_metrics &
maintain &
visit "$seconds"
"$lab/demo/panels.py" "$lab/../packaging/grafana/ipvs-bpf.json" http://127.0.0.1:9090 "$seconds" "$interval" >"$1"
