"""Half an hour with a fault a minute on one line or one endpoint, then on both: availability, memory, errors."""

import asyncio
import collections
import contextlib
import json
import subprocess
import sys
import time

from bench import SCRIPTS, Client, Findings, Listener, length, percentile, running, stage, symbols_of

AVAILABLE, GROWTH = 0.999, 1.02
# Of each minute: when the fault strikes, and when it is called off.
MINUTE, STRIKES, CALMED = 60.0, 5.0, 35.0
WARM_UP = 5

# A topic goes when its reader does, so that the next one makes the gateway ask REST.
QUICK = 'linger = "1s"\nsweep = "1s"'
# A fault, and what is ordered ({s}: a line's connection, {h}: its endpoint). None of them is worth an error in the log.
FAULTS = [
    ("cut", ["reset socket={s} times=1"]),
    ("mute", ["for 20s stall socket={s}"]),
    ("frozen", ["freeze socket={s} times=1"]),
    ("dials refused", ["for 25s refuse host={h}", "fin socket={s} times=1"]),
    ("garbled", ["for 10s truncate one-in=5 socket={s}"]),
    ("REST slow", ["for 25s slow by=8s times=1"]),
    ("closed", ["close code=1001 socket={s} times=1"]),
    ("shutdown notice", ["shutdown by=5s socket={s} times=1"]),
    ("flapping", ["for 20s flap by=500ms host={h}", "fin socket={s} times=1"]),
    ("frames lost", ["for 10s drop one-in=5 socket={s}"]),
    ("REST error", ["for 25s status code=500 times=1"]),
    ("frames doubled", ["for 10s duplicate one-in=3 socket={s}"]),
    ("port closed", ["for 25s refuse code=0 host={h}", "reset socket={s} times=1"]),
    ("frames swapped", ["for 10s swap one-in=5 socket={s}"]),
    ("frames late", ["for 15s delay by=700ms socket={s}"]),
    ("wrong types", ["for 10s wrong-type one-in=5 socket={s}"]),
    ("REST says wait", ["for 25s too-many by=5s times=1"]),
    ("no UTF-8", ["bad-utf8 nth=1 times=1 socket={s}"]),
    ("answers lost", ["for 15s lost-ack", "fin socket={s} times=1"]),
    ("unknown events", ["for 10s unknown-event one-in=5 socket={s}"]),
]
# Their words are those of the venue.
KINDS = {order.split()[2 if order.startswith("for ") else 0] for _, orders in FAULTS for order in orders}
# Both lines at once; told apart from the rest.
DOUBLE = [
    ("both cut", ["reset times=2"]),
    ("both cut, dials refused for 8 s", ["for 8s refuse", "reset times=2"]),
    ("both frozen", ["freeze times=2"]),
]


class Visitor(Client):
    """Reads one book that nobody else reads: it needs a snapshot over REST."""

    def __init__(self, bench, symbol):
        super().__init__(f"ws://{bench.listen}/v1/stream", [f"binance:book:{symbol}"])
        self.served = False

    def on_update(self, stream, frame):
        self.served |= stream.book.state == "live"


class Soak:
    def __init__(self, bench, client, spare):
        self.bench, self.client, self.spare, self.visits, self.unserved = bench, client, spare, [], []
        # Of each minute: the fault, when it struck, whether both lines were there before.
        self.struck, self.memory, self.unhealed = [], {}, []

    async def both_live(self):
        lines = (await self.bench.ask("/api/v1/lines"))["items"]
        return sum(line["phase"] == "live" and bool(line["proven"]) for line in lines) >= 2

    async def strike(self, turn):
        name, orders = FAULTS[turn % len(FAULTS)]
        if not await self.both_live():
            self.unhealed.append(turn)
        sockets = await self.bench.venue.sockets()
        mine = [one for one in sockets if one["host"].startswith(("127", "localhost")[turn % 2])] or sockets
        names = {"s": mine[0]["socket"], "h": mine[0]["host"]}
        ids = await self.bench.venue.order(*(order.format(**names) for order in orders))
        self.struck.append((name, mine[0]["host"], time.time()))
        if name.startswith("REST"):
            self.visits.append(asyncio.create_task(self.visit(name)))
        return ids

    async def minutes(self, number):
        begun, ids, turn = time.monotonic(), [], 0
        for minute in range(number):
            memory = self.memory[minute] = []
            struck = calmed = False
            while (passed := time.monotonic() - begun - MINUTE * minute) < MINUTE:
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

    async def visit(self, name):
        visitor = Visitor(self.bench, self.spare)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(visitor.run(), CALMED - STRIKES)
        if not visitor.served:
            self.unserved.append(name)

    async def idle(self):
        """Kinds of faults that were ordered and never struck anything."""
        hits = (await self.bench.venue.get("/sim/report"))["troubles"]
        kinds = {word for name, *_ in self.struck for order in dict(FAULTS)[name] for word in order.split() if word in KINDS}
        return sorted(kind for kind in kinds if not hits.get(kind))

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

    def errors(self):
        """Errors of the log, each told with the fault before it."""
        found = self.bench.errors()
        for line in found:
            fault = next((one[0] for one in reversed(self.struck) if stamp(one[2]) <= line.get("time", "")), "none")
            print(f"  ERROR after the fault \"{fault}\": {json.dumps(line)}", flush=True)
        return len(found)


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
    async with stage(program, lines=2, timing=QUICK) as bench:
        *symbols, spare = await symbols_of(bench.venue)
        client = Listener(f"ws://{bench.listen}/v1/stream", symbols)
        soak = Soak(bench, client, spare)
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
            errors = soak.errors()
            await tell(findings, (api, log, seen, down), (verdict, gaps, epochs), soak, judge)
            findings.tell(f"from the venue's time to the client: p50 {percentile(lags, 50) * 1e3:.0f} ms, "
                          f"p99 {percentile(lags, 99) * 1e3:.0f} ms, longest {max(lags):.2f} s")
            findings.none("errors in the log", errors)
            memory_of(findings, soak.memory, number)
            print("both lines at once, apart", flush=True)
            begin = time.time()
            await soak.doubles()
            told = bench.errors()[errors:]
            findings.tell(f"errors in the log: {dict(collections.Counter(line.get('rules', line['message']) for line in told))}")
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
    idle = await soak.idle()
    findings.must("kinds of faults that struck nothing", idle, not idle, "none")
    findings.must("books that nobody got while REST was in trouble", soak.unserved, not soak.unserved, "none")
    findings.none("faults that struck before both lines were back", len(soak.unhealed))
    findings.tell(f"{verdict['sent']} trades sent by the venue, {soak.client.counts.updates} updates")
    findings.none("lost, doubled or wrong trades", verdict["lost"] + verdict["doubled"] + verdict["wrong"])
    findings.none("gaps declared", gaps)
    findings.tell(f"new epochs {epochs}, books that stopped being live {soak.client.stale}")
    findings.must("books equal to the venue's", judge.equal, judge.wrong == 0 and judge.equal > 0,
                  f"all, {judge.wrong} were not")
