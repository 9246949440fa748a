"""Half an hour with a fault a minute on one line or one endpoint, then on both: availability, memory, errors."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time

from bench import SCRIPTS, Findings, Listener, length, percentile, running, stage, symbols_of

AVAILABLE, GROWTH = 0.999, 1.02
# Of each minute: when the fault strikes, and when it is called off.
STRIKES, CALMED = 5.0, 35.0
WARM_UP = 5

# A fault, what is ordered ({s}: a line's connection, {h}: its endpoint), and which alerts it may raise as errors.
FAULTS = [
    ("cut", ["reset socket={s} times=1"], set()),
    ("mute", ["for 20s stall socket={s}"], set()),
    ("frozen", ["freeze socket={s} times=1"], set()),
    ("dials refused", ["for 25s refuse host={h}", "fin socket={s} times=1"], set()),
    ("garbled", ["for 10s truncate one-in=5 socket={s}"], set()),
    ("REST slow", ["for 25s slow by=8s host={h}", "reset socket={s} times=1"], set()),
    ("closed", ["close code=1001 socket={s} times=1"], set()),
    ("shutdown notice", ["shutdown by=5s socket={s} times=1"], set()),
    ("flapping", ["for 20s flap by=500ms host={h}", "fin socket={s} times=1"], set()),
    ("frames lost", ["for 10s drop one-in=5 socket={s}"], set()),
    ("REST errors", ["for 25s status code=500 host={h}", "reset socket={s} times=1"], set()),
    ("frames doubled", ["for 10s duplicate one-in=3 socket={s}"], set()),
    ("port closed", ["for 25s refuse code=0 host={h}", "reset socket={s} times=1"], set()),
    ("frames swapped", ["for 10s swap one-in=5 socket={s}"], set()),
    ("frames late", ["for 15s delay by=700ms socket={s}"], set()),
    ("wrong types", ["for 10s wrong-type one-in=5 socket={s}"], set()),
    ("REST says wait", ["for 5s too-many by=10s host={h}", "reset socket={s} times=1"], set()),
    ("no UTF-8", ["bad-utf8 nth=1 times=1 socket={s}"], set()),
    ("answers lost", ["for 15s lost-ack", "fin socket={s} times=1"], set()),
    ("unknown events", ["for 10s unknown-event one-in=5 socket={s}"], set()),
]
# Both lines at once; told apart from the rest.
DOUBLE = [
    ("both cut", ["reset times=2"]),
    ("both cut, dials refused for 8 s", ["for 8s refuse", "reset times=2"]),
    ("both frozen", ["freeze times=2"]),
]


class Soak:
    def __init__(self, bench, client):
        self.bench, self.client = bench, client
        # Of each minute: the fault, when it struck, whether both lines were there before.
        self.struck, self.memory, self.unhealed = [], {}, []

    async def both_live(self):
        lines = (await self.bench.ask("/api/v1/lines"))["items"]
        return sum(line["phase"] == "live" and bool(line["proven"]) for line in lines) >= 2

    async def strike(self, turn):
        name, orders, alerts = FAULTS[turn % len(FAULTS)]
        if not await self.both_live():
            self.unhealed.append(turn)
        sockets = await self.bench.venue.sockets()
        mine = [one for one in sockets if one["host"].startswith(("127", "localhost")[turn % 2])] or sockets
        names = {"s": mine[0]["socket"], "h": mine[0]["host"]}
        ids = await self.bench.venue.order(*(order.format(**names) for order in orders))
        self.struck.append((name, mine[0]["host"], time.time(), alerts))
        return ids

    async def minutes(self, number):
        begun, ids, turn = time.monotonic(), [], 0
        for minute in range(number):
            memory = self.memory[minute] = []
            struck = calmed = False
            while (passed := time.monotonic() - begun - 60 * minute) < 60:
                if passed > STRIKES and not struck:
                    struck, ids, turn = True, await self.strike(turn), turn + 1
                if passed > CALMED and not calmed:
                    calmed = True
                    for one in ids:
                        await self.bench.venue.calm(one)
                memory.append(self.bench.resident())
                await asyncio.sleep(2)
            await self.learn()
            resident = sum(memory) / len(memory) / (1 << 20)
            print(f"  minute {minute + 1}: {self.struck[-1][0]} at {self.struck[-1][1]}, {resident:.1f} MiB, "
                  f"{self.client.counts.updates} updates, {self.client.counts.gaps} gaps", flush=True)

    async def learn(self):
        for account in self.client.accounts.values():
            await account.learn(self.bench.venue)

    async def doubles(self):
        for name, orders in DOUBLE:
            begun = time.time()
            ids = await self.bench.venue.order(*orders)
            await asyncio.sleep(40)
            for one in ids:
                await self.bench.venue.calm(one)
            await self.learn()
            share, down = self.seen(begun, time.time())
            print(f"  {name}: {down:.1f} s of each topic on average, gaps {self.client.counts.gaps}, "
                  f"both lines live again: {await self.both_live()}", flush=True)

    def seen(self, begin, end):
        """Availability between two moments by what the client got, and seconds down per topic."""
        stretches = self.client.down()
        down = sum(length(own, begin, end) for own in stretches.values()) / len(stretches)
        return 1 - down / (end - begin), down

    async def recomputed(self, begin, end):
        """The figures by the gateway's log of events and the script that shares nothing with it."""
        await asyncio.sleep(2)
        state = self.bench.folder / "state"
        files = sorted(state.glob("events*.jsonl"), key=lambda path: -int(path.suffixes[0][1:])
                       if path.suffixes[0] != ".jsonl" else 0)
        texts = [text for path in files for text in path.read_text().splitlines()]
        first = json.loads(texts[0])
        clock = lambda wall: str(round(first["mono_us"] + wall * 1e6 - int(first["wall_ns"]) / 1e3))
        command = [sys.executable, SCRIPTS / "reliability.py", clock(begin), clock(end)]
        answer = subprocess.run(command, input="\n".join(texts), capture_output=True, text=True, check=True)
        return json.loads(answer.stdout)["full"]

    def unexplained(self):
        """Errors of the log that no fault of the minute accounts for; all of them are told."""
        found = 0
        for line in self.bench.errors():
            at = line.get("time", "")
            fault = next((one for one in reversed(self.struck) if stamp(one[2]) <= at), None)
            rules = {rule.split(" ")[0] for rule in line.get("rules", "").split(", ")}
            explained = line["message"] == "alert" and fault is not None and rules <= fault[3]
            found += not explained
            print(f"  ERROR {'explained' if explained else 'UNEXPLAINED'}, fault {fault and fault[0]}: {json.dumps(line)}")
        return found


def stamp(wall):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall))


def memory_of(findings, memory, number):
    """The last ten minutes against the first ten after warm-up."""
    span = min(10, max(1, (number - WARM_UP) // 2))
    if number <= WARM_UP:
        return findings.tell("too short to say anything of memory")
    mean = lambda minutes: sum(sum(memory[m]) / len(memory[m]) for m in minutes) / len(minutes) / (1 << 20)
    first, last = mean(range(WARM_UP, WARM_UP + span)), mean(range(number - span, number))
    return findings.must(f"memory, last {span} min", f"{last:.2f} MiB against {first:.2f}, {last / first - 1:+.2%}",
                         last <= first * GROWTH, "at most +2 %")


async def run(program, number):
    findings = Findings()
    print(f"{number} minutes, a fault a minute on one line or one endpoint", flush=True)
    async with stage(program, lines=2) as bench:
        client = Listener(f"ws://{bench.listen}/v1/stream", await symbols_of(bench.venue))
        soak = Soak(bench, client)
        async with running(client, bench) as judge:
            await client.flowing(30)
            begin = time.time()
            await soak.minutes(number)
            end = time.time()
            api = (await bench.ask("/api/v1/reliability"))["full"]
            log = await soak.recomputed(begin, end)
            verdict, gaps, epochs = client.verdict(), client.counts.gaps, client.counts.epochs
            seen, down = soak.seen(begin, end)
            lags = [row[0] - row[1] for account in client.accounts.values() for row in account.got.values()]
            unexplained = soak.unexplained()
            await tell(findings, (api, log, seen, down), (verdict, gaps, epochs), soak, judge)
            findings.tell(f"from the venue's time to the client: p50 {percentile(lags, 50) * 1e3:.0f} ms, "
                          f"p99 {percentile(lags, 99) * 1e3:.0f} ms, longest {max(lags):.2f} s")
            findings.none("unexplained errors in the log", unexplained)
            memory_of(findings, soak.memory, number)
            print("both lines at once, apart", flush=True)
            begin = time.time()
            await soak.doubles()
            end = time.time()
            log = await soak.recomputed(begin, end)
            seen, down = soak.seen(begin, end)
            after = client.verdict()
            findings.tell(f"available: {log['availability']:.6f} by the log, {seen:.6f} by what the client got; lost "
                          f"{after['lost'] - verdict['lost']}, doubled {after['doubled'] - verdict['doubled']}, "
                          f"gaps {client.counts.gaps - gaps}, late {client.late}")
            findings.none("lost without a word, doubled or wrong", client.counts.lost + client.missed
                          + after["doubled"] + after["wrong"] + judge.wrong)
        for problem in client.counts.problems:
            findings.must("problem", problem, False, "none")
        with contextlib.suppress(TimeoutError):
            await bench.gateway.stop()
    return findings.failed


async def tell(findings, available, got, soak, judge):
    (api, log, seen, down), (verdict, gaps, epochs) = available, got
    for whose, share in (("the gateway's API", api["availability"]), ("its log, recomputed", log["availability"]),
                         ("what the client got", seen)):
        findings.must(f"available (full) by {whose}", f"{share:.6f}", share >= AVAILABLE, f"at least {AVAILABLE}")
    findings.tell(f"outages {api['failures']} by the API, {log['failures']} by the log; down {api['down_s']:.2f}, "
                  f"{log['down_s']:.2f} and {down * len(soak.client.down()):.2f} topic seconds")
    findings.none("faults that struck before both lines were back", len(soak.unhealed))
    findings.tell(f"{verdict['sent']} trades sent by the venue, {soak.client.counts.updates} updates")
    findings.none("lost, doubled or wrong trades", verdict["lost"] + verdict["doubled"] + verdict["wrong"])
    findings.none("gaps declared", gaps)
    findings.tell(f"new epochs {epochs}, books that stopped being live {soak.client.stale}")
    findings.must("books equal to the venue's", judge.equal, judge.wrong == 0 and judge.equal > 0,
                  f"all, {judge.wrong} were not")
