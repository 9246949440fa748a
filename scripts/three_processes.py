"""The simulator, the gateway and the example client as three processes that check one another.

Called by scripts/three-processes. The client is examples/python/tapeline_client.py; here it is only watched: what
it has is compared with the venue's own truth, and its connection is cut by a relay between it and the gateway.
"""

import asyncio
import collections
import contextlib
import json
import pathlib
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from decimal import Decimal

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples" / "python"))

import tapeline_client  # noqa: E402

SYMBOLS = 10
CHECKPOINTS = 100
CUT_EVERY = 7.0


class Process:
    """A child that says where it listens."""

    def __init__(self, *command, errors=None):
        # Where its log goes; None is our own stderr.
        self.command, self.errors, self.child, self.url = [str(part) for part in command], errors, None, None

    async def start(self, within=20.0):
        self.child = await asyncio.create_subprocess_exec(
            *self.command, stdout=asyncio.subprocess.PIPE, stderr=self.errors)
        line = (await asyncio.wait_for(self.child.stdout.readline(), within)).decode()
        if not line.startswith("listening on "):
            raise SystemExit(f"{' '.join(self.command)} says {line!r} instead of where it listens")
        self.url = line.removeprefix("listening on ").strip()
        return self

    async def stop(self, within=20.0):
        if self.child is None or self.child.returncode is not None:
            return
        self.child.send_signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(self.child.wait(), within)
        except TimeoutError:
            self.child.kill()
            code = await self.child.wait()
        if code != 0:
            raise SystemExit(f"{' '.join(self.command)} ended with {code}")


class Relay:
    """Bytes both ways, until it cuts: both ends are reset wherever they are, in the middle of a frame too."""

    def __init__(self, host, port):
        self.host, self.port, self.writers, self.cuts = host, port, set(), 0

    async def start(self):
        server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def accept(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, far_writer}
        await asyncio.gather(self.carry(reader, far_writer), self.carry(far_reader, writer))
        self.writers -= {writer, far_writer}

    async def carry(self, reader, writer):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()

    def cut(self):
        self.cuts += 1
        for writer in self.writers:
            writer.transport.abort()


class Watched(tapeline_client.Client):
    """The client, and what the venue itself says about what it got."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.trade_ids, self.trades, self.missed, self.explained = {}, 0, 0, collections.Counter()
        self.excused, self.moments, self.epochs = set(), {}, {}

    def on_news(self, text):
        print(f"  {text}", flush=True)

    def on_subscribed(self, stream, result):
        if not result.get("recovered") and stream.topic in self.trade_ids:
            # Told: what the venue did meanwhile is not coming.
            self.excused.add(stream.topic)

    def on_update(self, stream, frame):
        if stream.book:
            if stream.book.state == "live" and stream.book.venue_id:
                self.moments[stream.topic] = (stream.book.venue_id, dict(stream.book.bids), dict(stream.book.asks))
            return
        if self.epochs.setdefault(stream.topic, frame["epoch"]) != frame["epoch"]:
            # A new epoch says that continuity was broken.
            self.epochs[stream.topic] = frame["epoch"]
            self.excused.add(stream.topic)
        if frame["type"] == "gap":
            self.explained["gap"] += 1
            self.excused.add(stream.topic)
        elif frame["type"] == "event" and not frame["data"].get("late"):
            self.trades += 1
            number, last = int(frame["data"]["id"]), self.trade_ids.get(stream.topic)
            if last is not None and number != last + 1:
                if number > last and stream.topic in self.excused:
                    self.explained["trades not recovered, and told so"] += number - last - 1
                else:
                    self.missed += 1
                    self.counts.problem(f"{stream.topic}: trade {number} behind {last}")
            self.excused.discard(stream.topic)
            self.trade_ids[stream.topic] = number


class Judge:
    """Compares the client's books with the venue's own at the same update id."""

    def __init__(self, client, venue):
        self.client, self.venue, self.equal, self.wrong, self.forgotten = client, venue, 0, 0, 0

    async def run(self, every):
        while True:
            for topic, (number, bids, asks) in list(self.client.moments.items()):
                await self.compare(topic, number, bids, asks)
                await asyncio.sleep(every / SYMBOLS)
            await asyncio.sleep(0.01)

    async def compare(self, topic, number, bids, asks):
        url = f"{self.venue}/sim/truth?symbol={topic.split(':')[2]}&id={number}"
        try:
            truth = await asyncio.to_thread(fetch, url)
        except urllib.error.HTTPError:
            self.forgotten += 1
            return
        if numbers(truth["bids"]) == numbers(bids.items()) and numbers(truth["asks"]) == numbers(asks.items()):
            self.equal += 1
        else:
            self.wrong += 1
            self.client.counts.problem(f"{topic}: our book at update {number} is not the venue's")


def numbers(side):
    return {Decimal(price): Decimal(size) for price, size in side}


def fetch(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return json.load(answer)


async def run(program, venue, folder, symbols, seconds, troubled):
    """One run; what is wrong with it, in words."""
    config = folder / "tapeline.toml"
    listen = "127.0.0.1:0"

    async def gateway():
        config.write_text(f'[gateway]\nlisten = "{listen}"\n[state]\ndir = "{folder}"\n[log]\nlevel = "warn"\n'
                          f'[venues.binance]\nstreams = ["{venue.replace("http", "ws", 1)}"]\nrest = ["{venue}"]\n')
        return await Process(program, "serve", "-c", config).start()

    serving = await gateway()
    listen = serving.url.removeprefix("http://")
    host, port = listen.rsplit(":", 1)
    relay = Relay(host, int(port))
    topics = [f"binance:{channel}:{symbol}" for symbol in symbols for channel in ("book", "trade")]
    client = Watched(f"ws://127.0.0.1:{await relay.start()}/v1/stream", topics, delivery="every", keep_books=True)
    judge = Judge(client, venue)
    tasks = [asyncio.create_task(client.run()), asyncio.create_task(client.check_books(serving.url, 2.0)),
             asyncio.create_task(judge.run(2.0))]
    begun, restarted, next_cut = time.monotonic(), False, CUT_EVERY
    try:
        while (passed := time.monotonic() - begun) < seconds:
            done, _ = await asyncio.wait(tasks, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if troubled and not restarted and passed > seconds / 2:
                restarted = True
                print("  the gateway is restarted", flush=True)
                await serving.stop()
                serving = await gateway()
            elif troubled and passed > next_cut and passed < seconds - 5:
                next_cut = passed + CUT_EVERY
                print("  the connection is cut", flush=True)
                relay.cut()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await serving.stop()
    return report(client, judge, relay, topics, troubled)


def report(client, judge, relay, topics, troubled):
    counts = client.counts
    print(f"  {counts.updates} updates, {client.trades} of them trades, on {len(client.streams)} topics; "
          f"{counts.connects} connects, {relay.cuts} cuts, closes {dict(counts.closes)}")
    print(f"  {counts.lost} lost, {counts.duplicated} duplicated, {counts.disordered} out of order, "
          f"{client.missed} trades missing or doubled without a word")
    print(f"  {counts.snapshots_equal} books equal to the gateway's, {counts.snapshots_wrong} wrong, "
          f"{counts.snapshots_missed} never met; {judge.equal} equal to the venue's, {judge.wrong} wrong, "
          f"{judge.forgotten} not remembered by it")
    print(f"  {counts.recovered} recovered, not recovered {dict(counts.not_recovered)}, {counts.gaps} gaps, "
          f"{counts.epochs} new epochs, told {dict(client.explained)}")
    wrong = list(counts.problems)
    if not counts.clean() or client.missed or judge.wrong:
        wrong.append("something was lost, doubled, out of order or wrong")
    if len(client.streams) != len(topics) or not all(stream.placed for stream in client.streams.values()):
        wrong.append(f"only {sum(stream.placed for stream in client.streams.values())} topics of {len(topics)} flow")
    if min(counts.snapshots_equal, judge.equal) < CHECKPOINTS:
        wrong.append(f"fewer than {CHECKPOINTS} checkpoints")
    if troubled:
        if counts.closes["4001"] == 0:
            wrong.append("the restart was not told with 4001")
        if counts.recovered == 0:
            wrong.append("no cut was recovered from")
    elif counts.connects != 1 or counts.gaps or counts.epochs or counts.not_recovered:
        wrong.append("a calm run had gaps, new epochs or more than one connection")
    return wrong


async def main(program, seconds):
    with tempfile.TemporaryDirectory() as folder:
        venue = await Process(program, "simulate", "--port", "0").start()
        failed = False
        try:
            symbols = sorted(symbol["symbol"] for symbol in fetch(f"{venue.url}/api/v3/exchangeInfo")["symbols"])[:SYMBOLS]
            for name, troubled in (("calm", False), ("cuts and a restart", True)):
                print(f"{name}: {len(symbols)} symbols, {seconds:.0f} s", flush=True)
                wrong = await run(program, venue.url, pathlib.Path(folder), symbols, seconds, troubled)
                for text in wrong:
                    print(f"  WRONG: {text}")
                failed = failed or bool(wrong)
        finally:
            await venue.stop()
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1], float(sys.argv[2]))))
