"""The processes of a run, what the client got, and what the venue says it sent."""

import asyncio
import contextlib
import http.client
import json
import math
import pathlib
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from decimal import Decimal

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))

from three_processes import Judge, Process, Watched, fetch  # noqa: E402
from tapeline_client import Client  # noqa: E402, F401

# The judge asks from here: the venue counts limits by address, and what the judge asks must not be the gateway's.
OURS = "127.0.0.2"
# Data that is older than this when it reaches the client came too late: the topic was down meanwhile.
LATE = 1.0
# A book of this market changes several times a second.
BOOK_SILENT = 1.5


class Venue:
    """The simulated venue, and its own pages."""

    def __init__(self, program):
        self.process, self.url = Process(program, "simulate", "--port", "0"), None

    async def start(self):
        await self.process.start()
        self.url = self.process.url
        self.port = urllib.parse.urlsplit(self.url).port
        return self

    async def get(self, path):
        return await asyncio.to_thread(fetch, f"{self.url}{path}")

    async def order(self, *lines):
        """Orders troubles; their numbers."""
        request = urllib.request.Request(f"{self.url}/sim/trouble", data="\n".join(lines).encode(), method="POST")
        return (await asyncio.to_thread(self._json, request))["ids"]

    async def calm(self, number):
        request = urllib.request.Request(f"{self.url}/sim/trouble/{number}", method="DELETE")
        with contextlib.suppress(urllib.error.HTTPError):
            # One that is over by itself is not known any more.
            await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=5).read())

    @staticmethod
    def _json(request):
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    async def sockets(self):
        """The gateway's open connections as the venue sees them, the oldest first."""
        return [one for one in await self.get("/sim/sockets") if not one["frozen"]]

    def trades_from(self, symbol, first):
        """At most a thousand trades from an id on, as the venue's own history has them."""
        asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5, source_address=(OURS, 0))
        with contextlib.closing(asking):
            asking.request("GET", f"/api/v3/historicalTrades?symbol={symbol}&fromId={first}&limit=1000")
            answer = asking.getresponse()
            if answer.status != 200:
                raise SystemExit(f"the venue answers {answer.status} to its judge")
            return json.load(answer)


@contextlib.asynccontextmanager
async def stage(program, **options):
    """A venue, and a gateway in front of it that has been started; both are gone afterwards."""
    venue = await Venue(program).start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(program, folder, venue, **options)
            try:
                yield await bench.start()
            finally:
                await bench.kill()
    finally:
        await venue.process.stop()


class Account:
    """What the client got of one topic of trades, and what the venue sent."""

    def __init__(self, symbol):
        self.symbol = symbol
        # By id: when it came, the venue's time, where it came from, price, size.
        self.got, self.twice, self.truth = {}, 0, {}

    def take(self, frame, now):
        data = frame["data"]
        number = int(data["id"])
        if number in self.got:
            self.twice += 1
        else:
            self.got[number] = (now, int(frame["time"]) / 1e9, int(frame["received"]) / 1e9, frame["source"],
                                data["price"], data["size"])

    async def learn(self, venue):
        """Asks the venue for what it sent since the last time."""
        if not self.got:
            return
        number = max(self.truth, default=min(self.got) - 1) + 1
        while True:
            rows = await asyncio.to_thread(venue.trades_from, self.symbol, number)
            self.truth |= {row["id"]: (row["time"] / 1e3, row["price"], row["qty"]) for row in rows}
            if len(rows) < 1000:
                return
            number = rows[-1]["id"] + 1

    def compare(self):
        """How many were sent, which were lost, and how many are not what the venue sent: as far as both know."""
        last = min(max(self.got, default=0), max(self.truth, default=0))
        sent = [number for number in self.truth if number <= last]
        lost = [number for number in sent if number not in self.got]
        wrong = sum(1 for number, row in self.got.items()
                    if number <= last and (number not in self.truth or not same(self.truth[number], row)))
        return len(sent), lost, wrong

    def down(self):
        """Stretches in which the topic was not fully served: what came late, by polling, or not at all."""
        stretches, last = [], max(self.got, default=0)
        end = before = None
        for number in sorted((number for number in self.truth if number <= last), reverse=True):
            row = self.got.get(number)
            # What never came was awaited until what follows it did.
            came, sent = (row[0] if row else end), self.truth[number][0]
            if came is not None and came - sent > LATE:
                stretches.append((sent, came))
            if row and row[3] != "live" and row[3] != "repair" and before is not None:
                stretches.append((min(row[0], before), max(row[0], before)))
            end = before = came
        return stretches


def same(truth, row):
    return Decimal(truth[1]) == Decimal(row[4]) and Decimal(truth[2]) == Decimal(row[5])


class Listener(Watched):
    """The client, with an account of all that it got."""

    def __init__(self, url, symbols):
        topics = [f"binance:{channel}:{symbol}" for symbol in symbols for channel in ("book", "trade")]
        super().__init__(url, topics, delivery="every", keep_books=True)
        self.accounts = {f"binance:trade:{symbol}": Account(symbol) for symbol in symbols}
        self.gaps, self.late, self.stale = 0, 0, 0
        # Of each book when it was heard last and whether it was live then; stretches in which it was not right.
        self.books, self.books_down = {}, {f"binance:book:{symbol}": [] for symbol in symbols}

    def on_news(self, text):
        pass

    def on_update(self, stream, frame):
        super().on_update(stream, frame)
        now = time.time()
        if stream.book:
            self.on_book(stream, frame, now)
        elif frame["type"] == "event":
            self.late += bool(frame["data"].get("late"))
            self.accounts[stream.topic].take(frame, now)

    def on_book(self, stream, frame, now):
        live = stream.book.state == "live" and frame["source"] == "live"
        before, was = self.books.get(stream.topic, (now, live))
        sent = int(frame["time"]) / 1e9 if frame.get("time") else now
        if not was or now - before > BOOK_SILENT:
            self.books_down[stream.topic].append((before, now))
        elif live and frame["type"] == "delta" and now - sent > LATE:
            self.books_down[stream.topic].append((sent, now))
        self.stale += was and not live
        self.books[stream.topic] = (now, live)

    async def flowing(self, within):
        """Waits until every topic has data."""
        until = time.monotonic() + within
        while not (all(account.got for account in self.accounts.values())
                   and sum(live for _, live in self.books.values()) == len(self.accounts)):
            if time.monotonic() > until:
                raise SystemExit(f"not all topics flow within {within:.0f} s")
            await asyncio.sleep(0.1)

    def down(self):
        return {topic: account.down() for topic, account in self.accounts.items()} | self.books_down

    def verdict(self):
        """Lost, doubled, wrong, and how many trades there were, by the venue's own history."""
        sent = lost = wrong = 0
        for account in self.accounts.values():
            one_sent, one_lost, one_wrong = account.compare()
            sent, lost, wrong = sent + one_sent, lost + len(one_lost), wrong + one_wrong
        return {"sent": sent, "lost": lost, "wrong": wrong,
                "doubled": sum(account.twice for account in self.accounts.values())}


class Bench:
    """A venue with two names, a gateway that runs lines to it, and a folder for what they leave."""

    def __init__(self, program, folder, venue, *, lines=2, warm=(), extra="", timing=""):
        self.program, self.folder, self.venue, self.listen = program, pathlib.Path(folder), venue, "127.0.0.1:0"
        self.lines, self.warm, self.extra, self.timing = lines, list(warm), extra, timing
        self.gateway, self.log = None, self.folder / "gateway.log"

    async def start(self):
        """Starts the gateway, again where it was."""
        port = self.venue.port
        (self.folder / "tapeline.toml").write_text(
            f'[gateway]\nlisten = "{self.listen}"\n'
            f'[state]\ndir = "{self.folder / "state"}"\nevent_log = true\n'
            f'[log]\nlevel = "info"\nformat = "json"\nrepeats = 1000\n'
            f"[timing]\n{self.timing}\n{self.extra}\n"
            f"[venues.binance]\nlines = {self.lines}\nwarm = {json.dumps(self.warm)}\n"
            f'streams = ["ws://127.0.0.1:{port}", "ws://localhost:{port}"]\n'
            f'rest = ["http://127.0.0.1:{port}", "http://localhost:{port}"]\n')
        with self.log.open("ab") as log:
            command = (self.program, "serve", "-c", self.folder / "tapeline.toml")
            self.gateway = await Process(*command, errors=log).start()
        self.listen = self.gateway.url.removeprefix("http://")
        return self

    async def ask(self, path):
        return await asyncio.to_thread(fetch, f"{self.gateway.url}{path}")

    async def kill(self):
        if self.gateway and self.gateway.child.returncode is None:
            self.gateway.child.kill()
            await self.gateway.child.wait()

    def errors(self):
        """Every line of the gateway's log that is an error, or that is no line of a log."""
        found = []
        for text in self.log.read_text(errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                found.append({"level": "none", "message": text})
                continue
            if line.get("level") == "error":
                found.append(line)
        return found

    def resident(self):
        """Bytes of the gateway in memory."""
        status = pathlib.Path(f"/proc/{self.gateway.child.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


@contextlib.asynccontextmanager
async def running(client, bench):
    """The client and the judge of its books at work; what they found is theirs to tell."""
    judge = Judge(client, bench.venue.url)
    tasks = [asyncio.create_task(client.run()), asyncio.create_task(judge.run(2.0))]
    try:
        yield judge
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                client.counts.problem(f"the client ended with {ended!r}")


async def symbols_of(venue):
    return sorted(symbol["symbol"] for symbol in (await venue.get("/api/v3/exchangeInfo"))["symbols"])


def percentile(values, share):
    """Of the nearest rank."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * share / 100) - 1] if ordered else math.nan


def length(stretches, begin, end):
    """How long the union of the stretches is between two moments."""
    total, reached = 0.0, begin
    for start, stop in sorted(stretches):
        start, stop = max(start, reached), min(stop, end)
        if stop > start:
            total, reached = total + stop - start, stop
    return total


class Findings:
    """What must hold, told as it is checked."""

    def __init__(self):
        self.failed = 0

    def must(self, what, value, holds, goal):
        self.failed += not holds
        print(f"  {what}: {value} ({goal}) {'holds' if holds else 'DOES NOT HOLD'}", flush=True)

    def none(self, what, value):
        self.must(what, value, value == 0, "0")

    def tell(self, text):
        print(f"  {text}", flush=True)
