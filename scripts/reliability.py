#!/usr/bin/env python3
"""Recomputes from an event log of JSON lines how reliable a run was: docs/reliability.md, in at most 50 lines of code.

usage: reliability.py FROM_US TO_US < LOG     both on the log's own monotonic clock, in microseconds

A start of the program restarts both the numbers and the clock: of several runs the last one counts.
"""
import json
import math
import sys


def ratio(part, whole):
    return part / whole if whole else None


def spread(lengths):
    ranked = sorted(lengths)
    rank = lambda share: ranked[math.ceil(len(ranked) * share / 100) - 1] if ranked else None
    return {"n": len(ranked), "p50_s": rank(50), "p95_s": rank(95), "max_s": rank(100)}


def figures(histories, kept, start, end):
    observed, down, repairs, detections = 0, 0, [], []
    for history in histories:
        began = None
        for (since, at, state), (until, _, following) in zip(history, history[1:] + [(end, end, "last")]):
            spent = max(0, until - max(since, start)) if state != "none" else 0
            broken = state not in kept and state != "none"
            observed, down = observed + spent, down + (spent if broken else 0)
            began = (began or (since, at)) if broken else None
            # The outage ends, or the record of it does.
            if broken and following in kept | {"none", "last"} and until > max(began[0], start):
                detections.append(began[1] - began[0])
                repairs += [until - began[0]] if following in kept else []
    n = len(detections)
    return {"observed_s": observed, "down_s": down, "availability": ratio(observed - down, observed), "failures": n,
            "repaired": len(repairs), "mttr_s": ratio(sum(repairs), len(repairs)), "mttf_s": ratio(observed - down, n),
            "mtbf_s": ratio(observed, n), "ttr": spread(repairs), "ttd": spread(detections)}


def borne(felt, full):
    shares = [ratio(felt.count(False), len(felt)), ratio(full["repaired"], full["failures"]), full["availability"]]
    parts = [share for share in shares if share is not None]
    score = round(1000 * sum(parts) / len(parts)) / 10 if full["observed_s"] else None
    return {"faults": {"lines": len(felt), "felt": sum(felt)}, "tolerated": shares[0], "recovered": shares[1], "score": score}


def ledger(changes):
    columns = ("expected", "received", "duplicate", "repaired", "lost", "unverifiable")
    total = {column: sum(change[column] for change in changes) for column in columns}
    return {**total, "completeness": ratio(total["expected"] - max(0, total["lost"]), total["expected"])}


if len(sys.argv) != 3 or not all(map(str.isdecimal, sys.argv[1:])):
    sys.exit(__doc__.strip())
start, end = (int(argument) / 1e6 for argument in sys.argv[1:])
records = [json.loads(line) for line in sys.stdin if line.strip()]
first = max((n for n in range(1, len(records)) if records[n]["seq"] <= records[n - 1]["seq"]), default=0)
run = [record for record in records[first:] if record["mono_us"] / 1e6 <= end]
histories = {}
for record in (record for record in run if record["kind"] == "service"):
    history, noticed = histories.setdefault(record["entity"], []), record["mono_us"] / 1e6
    # Counting begins when that is noticed; no state begins before the last did.
    counted = history and history[-1][2] != "none"
    history.append((max(record["since_us"] / 1e6, history[-1][0]) if counted else noticed, noticed, record["to"]))
inside = [record for record in run if record["mono_us"] / 1e6 >= start]
felt = [record["felt"] for record in inside if "felt" in record]
changes = [record for record in inside if (record["kind"], record["entity"]) == ("ledger", "venue")]
full, either = (figures(histories.values(), kept, start, end) for kept in ({"full"}, {"full", "any"}))
print(json.dumps({"full": full, "any": either, "tolerance": borne(felt, full), "ledger": ledger(changes)}, indent=1))
