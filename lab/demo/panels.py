#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Asks Prometheus what each panel of the dashboard asks, as Grafana would.

usage: lab/demo/panels.py DASHBOARD URL SECONDS STEP >ANSWERS

Every variable is All. ANSWERS is JSON: `seconds` and `step`, and of each
panel its `title`, `type`, `unit`, `place`, and `series`, each of which has its `name`
and `points` (seconds since the beginning, value). A stat panel has the last point alone.
"""

import json
import re
import sys
import time
import urllib.parse
import urllib.request

dashboard, url, seconds, step = sys.argv[1:]
seconds, step = int(seconds), int(step)
end = time.time()
begin = end - seconds
# Grafana's default: four scrapes.
VARIABLES = {"$__rate_interval": f"{4 * step}s", "$instance": ".*", "$service": ".*"}


def ask(expression):
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    query = {"query": expression, "start": begin, "end": end, "step": step}
    path = url + "/api/v1/query_range?" + urllib.parse.urlencode(query)
    with urllib.request.urlopen(path, timeout=120) as answer:
        return json.load(answer)["data"]["result"]


def legend(form, labels):
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), form).strip()


def series(target, last_alone):
    for answer in ask(target["expr"]):
        points = [(at - begin, float(value)) for at, value in answer["values"]]
        if last_alone:
            points = points[-1:]
        yield {"name": legend(target["legendFormat"], answer["metric"]), "points": points}


def panel(panel):
    return {
        "title": panel["title"],
        "type": panel["type"],
        "unit": panel["fieldConfig"]["defaults"]["unit"],
        "place": panel["gridPos"],
        "series": [
            one for target in panel["targets"] for one in series(target, panel["type"] == "stat")
        ],
    }


with open(dashboard) as file:
    panels = json.load(file)["panels"]
answers = {"seconds": seconds, "step": step, "panels": [panel(one) for one in panels]}
json.dump(answers, sys.stdout, indent=1)
