"""Called by scripts/endure: endurance PROGRAM cuts|soak|kills [NUMBER]."""

import asyncio
import sys

import cuts
import kills
import soak

RUNS = {"cuts": (cuts.run, 100), "soak": (soak.run, 30), "kills": (kills.run, 100)}


def main(program, name, number=None):
    run, usual = RUNS[name]
    failed = asyncio.run(run(program, int(number or usual)))
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
