#!/usr/bin/env python3
"""Recomputes availability, MTTR, MTTF and MTBF from an event log of JSON lines: docs/reliability.md.

usage: reliability.py FROM_US TO_US < LOG     both on the log's own monotonic clock, in microseconds

A start of the program restarts both the numbers and the clock: of several runs the last one counts.
"""
import json
import math
import sys


def spread(lengths):
    lengths = sorted(lengths)
    rank = lambda share: lengths[math.ceil(len(lengths) * share / 100) - 1] / 1e6 if lengths else None
    return {"n": len(lengths), "p50_s": rank(50), "p95_s": rank(95), "max_s": rank(100)}


def figures(histories, kept, start, end):
    observed = down = 0
    repairs, detections = [], []
    for history in histories:
        began = noticed = None
        for (since, at, state), (until, _, following) in zip(history, history[1:] + [(end, end, "last")]):
            spent = max(0, until - max(since, start)) if state != "none" else 0
            observed += spent
            if state in kept or state == "none":
                continue
            down += spent
            if began is None:
                began, noticed = since, at
            if following in kept or following in ("none", "last"):  # the outage ends, or its record does
                if until > began and until > start:
                    detections.append(noticed - began)
                    if following in kept:
                        repairs.append(until - began)
                began = None
    n = len(detections)
    return {
        "observed_s": observed / 1e6, "down_s": down / 1e6,
        "availability": 1 - down / observed if observed else None,
        "failures": n, "repaired": len(repairs),
        "mttr_s": sum(repairs) / len(repairs) / 1e6 if repairs else None,
        "mttf_s": (observed - down) / n / 1e6 if n else None, "mtbf_s": observed / n / 1e6 if n else None,
        "ttr": spread(repairs), "ttd": spread(detections),
    }


try:
    start, end = map(int, sys.argv[1:])
except ValueError:
    sys.exit(__doc__.strip())
histories, last = {}, -1
for record in map(json.loads, filter(str.strip, sys.stdin)):
    if record["seq"] <= last:
        histories = {}
    last = record["seq"]
    if record.get("kind") == "service" and record["mono_us"] <= end:
        history = histories.setdefault(record["entity"], [])
        counted = history and history[-1][2] != "none"  # counting begins when it is noticed, no state before the last
        since = max(record["since_us"], history[-1][0]) if counted else record["mono_us"]
        history.append((since, record["mono_us"], record["to"]))
result = {"full": figures(histories.values(), {"full"}, start, end),
          "any": figures(histories.values(), {"full", "any"}, start, end)}
print(json.dumps(result, indent=1))
