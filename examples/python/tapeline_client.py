#!/usr/bin/env python3
"""A client of Tapeline's stream, written from docs/protocol.md alone: it keeps its own books, comes back after
a cut or a restart of the gateway, resumes where it was, and accounts for every offset.

    python3 tapeline_client.py binance:book:BTCUSDT binance:trade:BTCUSDT --seconds 60 --check 2

Needs Python 3.11 and `websockets` 13 or newer; README.md says more.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import json
import random
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

SUBPROTOCOL = Subprotocol("tapeline.v1.json")
# A subscription has to fit a message of 64 KiB, and a second has room for 20 messages.
TOPICS_PER_MESSAGE = 100
# Books of the last offsets that are kept to compare them with the gateway's.
KEPT_BOOKS = 100
BACKOFF_FIRST, BACKOFF_MAX = 0.1, 10.0
# The WebSocket protocol was broken, text was no UTF-8, a message was too large: coming back would not help.
STAY_AWAY = {1002, 1007, 1009}


class Refused(Exception):
    """The gateway wants us to stay away."""


@dataclasses.dataclass
class Counts:
    """What went right and wrong, in numbers of offsets unless said otherwise."""

    frames: int = 0
    updates: int = 0
    lost: int = 0
    duplicated: int = 0
    disordered: int = 0
    # Told in the stream: `gap` frames, and new epochs.
    gaps: int = 0
    epochs: int = 0
    # Missed while away, and told so: subscriptions with `recovered: false`, by reason.
    not_recovered: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    recovered: int = 0
    connects: int = 0
    closes: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    snapshots_equal: int = 0
    snapshots_wrong: int = 0
    # The gateway answered with an offset that we never stood at (conflation skips some).
    snapshots_missed: int = 0
    problems: list = dataclasses.field(default_factory=list)

    def problem(self, text: str) -> None:
        if len(self.problems) < 20:
            self.problems.append(text)

    def summary(self) -> dict:
        return dataclasses.asdict(self)

    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.disordered or self.snapshots_wrong or self.problems)


class Book:
    """A book as its snapshot and deltas make it: sizes by price, both as the decimal texts that came."""

    def __init__(self) -> None:
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.state = "syncing"
        self.venue_id: str | None = None

    def apply(self, data: dict, whole: bool) -> None:
        for side, name in ((self.bids, "bids"), (self.asks, "asks")):
            if whole:
                side.clear()
            for price, size in data.get(name, ()):
                if size == "0":
                    side.pop(price, None)
                else:
                    side[price] = size
        self.state = data.get("state", self.state)
        self.venue_id = data.get("venue_id", self.venue_id)


class Stream:
    """One topic: where it is, and what is known of it."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        channel = topic.split(":")[1] if topic.count(":") >= 2 else ""
        self.book = Book() if channel in ("book", "depth") else None
        # The newest of every other state topic.
        self.state: dict | None = None
        self.status: dict | None = None
        self.epoch: str | None = None
        self.offset = 0
        # State topics have snapshots. Until one came (or a position was given) nothing can be applied.
        self.has_state = self.book is not None
        self.placed = False
        # A subscription is under way; what comes before its answer belongs to the one before.
        self.asked = False
        # Books at the last offsets, by "epoch:offset".
        self.kept: collections.OrderedDict[str, tuple[dict, dict]] = collections.OrderedDict()

    def position(self) -> dict | None:
        return {"epoch": self.epoch, "offset": self.offset} if self.placed else None

    def forget(self) -> None:
        self.placed = False
        self.state = None
        if self.book:
            self.book = Book()


class Client:
    """Keeps a connection and any number of topics, for as long as `run` runs."""

    def __init__(self, url: str, topics: list[str], *, delivery: str | None = None, interval_ms: int | None = None,
                 keep_books: bool = False) -> None:
        self.url = url
        self.options = {"delivery": delivery} if delivery else {}
        if interval_ms is not None:
            self.options["interval_ms"] = interval_ms
        self.wanted = list(topics)
        self.keep_books = keep_books
        self.streams: dict[str, Stream] = {}
        self.counts = Counts()
        self.moved = asyncio.Event()
        self._requests = 0
        self._asked: dict[int, list[str]] = {}
        self._socket = None

    # What may be overridden.

    def on_update(self, stream: Stream, frame: dict) -> None:
        """A snapshot, delta, event or gap has been taken in."""

    def on_subscribed(self, stream: Stream, result: dict) -> None:
        """A topic is (again) being read. If it is not `recovered`, what was missed is not coming."""

    def on_news(self, text: str) -> None:
        """Something about the connection."""

    # The connection.

    async def run(self) -> None:
        """Reads until it is cancelled; raises Refused if the gateway wants us to stay away."""
        failures = 0
        while True:
            pause = None
            try:
                async with connect(self.url, subprotocols=[SUBPROTOCOL], max_size=16 << 20, open_timeout=10,
                                   compression=None) as socket:
                    self.counts.connects += 1
                    self._socket = socket
                    failures, pause = await self._read(socket, failures)
            except InvalidStatus as refusal:
                status = refusal.response.status_code
                self.counts.closes[f"HTTP {status}"] += 1
                if status in (400, 403, 404, 421, 426):
                    raise Refused(f"HTTP {status}: {refusal.response.body!r}") from refusal
            except (OSError, InvalidHandshake, TimeoutError) as error:
                self.counts.closes[type(error).__name__] += 1
            finally:
                self._socket = None
            if pause is None:
                # Somewhere in the second half, so that a crowd does not come back at one moment.
                pause = min(BACKOFF_MAX, BACKOFF_FIRST * 2**failures) * random.uniform(0.5, 1.0)
                failures = min(failures + 1, 16)
            self.on_news(f"back in {pause:.2f} s")
            await asyncio.sleep(pause)

    async def _read(self, socket, failures: int) -> tuple[int, float | None]:
        """Reads one connection to its end: failures so far, and the pause if the gateway named one."""
        self._asked.clear()
        for stream in self.streams.values():
            stream.asked = False
        again = asyncio.create_task(self._retry_unavailable(socket))
        try:
            await self._subscribe(socket, self.wanted)
            async for message in socket:
                failures = 0
                await self._take(socket, json.loads(message))
        except ConnectionClosed:
            pass
        finally:
            again.cancel()
        code = socket.close_code
        reason = socket.close_reason or ""
        self.counts.closes[str(code)] += 1
        self.on_news(f"closed: {code} {reason}")
        if code in STAY_AWAY or (code is not None and 4500 <= code <= 4999):
            raise Refused(f"closed with {code} {reason}")
        if code == 4001:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return failures, json.loads(reason)["retry_after_ms"] / 1000
        if code == 4008:
            return failures, 0.0
        if code == 4029:
            return failures, 1.0
        return failures, None

    async def _retry_unavailable(self, socket) -> None:
        """Topics without an answer or with `unavailable` are asked for again now and then."""
        while True:
            await asyncio.sleep(5)
            pending = {topic for asked in self._asked.values() for topic in asked}
            missing = [topic for topic in self.wanted if topic not in self.streams and topic not in pending]
            if missing:
                await self._subscribe(socket, missing)

    async def _subscribe(self, socket, topics: list[str]) -> None:
        for start in range(0, len(topics), TOPICS_PER_MESSAGE):
            part = topics[start : start + TOPICS_PER_MESSAGE]
            self._requests += 1
            self._asked[self._requests] = part
            resume = {}
            for topic in part:
                if stream := self.streams.get(topic):
                    stream.asked = True
                    if position := stream.position():
                        resume[topic] = position
            request = {"op": "subscribe", "id": self._requests, "topics": part, **self.options}
            if resume:
                request["resume"] = resume
            await socket.send(json.dumps(request, separators=(",", ":")))

    # The frames.

    async def _take(self, socket, frame: dict) -> None:
        self.counts.frames += 1
        kind = frame.get("type")
        if kind == "result":
            self._answered(frame)
        elif kind == "error":
            self.counts.problem(f"the gateway says {frame.get('code')}: {frame.get('message')}")
        elif (stream := self.streams.get(frame.get("topic"))) and not stream.asked:
            if not self._advance(stream, kind, frame):
                await self._subscribe(socket, [stream.topic])
            self.moved.set()

    def _answered(self, frame: dict) -> None:
        asked = self._asked.pop(frame.get("id"), None)
        if frame.get("op") != "subscribe" or asked is None:
            return
        for wanted, result in zip(asked, frame["results"], strict=True):
            topic = result["topic"]
            if not result["ok"]:
                self.streams.pop(topic, None)
                error = result["error"]
                if error["code"] != "unavailable":
                    self.counts.problem(f"{wanted}: {error['code']}: {error['message']}")
                    self.wanted = [other for other in self.wanted if other != wanted]
                continue
            # The canonical name is the name from now on.
            self.wanted = [topic if other == wanted else other for other in self.wanted]
            stream = self.streams.setdefault(topic, Stream(topic))
            had_position = stream.placed
            stream.asked = False
            if result.get("recovered"):
                self.counts.recovered += 1
            else:
                if had_position:
                    self.counts.not_recovered[result.get("reason", "no reason")] += 1
                stream.forget()
                if not stream.has_state and "epoch" in result:
                    # Events begin behind this offset; a topic with state begins with its snapshot.
                    stream.epoch, stream.offset, stream.placed = result["epoch"], result["offset"], True
            self.on_subscribed(stream, result)

    def _advance(self, stream: Stream, kind: str, frame: dict) -> bool:
        """Takes a frame in. False if something is missing: the topic has to be subscribed again."""
        epoch, offset = frame["epoch"], frame["offset"]
        if kind == "status":
            stream.status = frame["data"]
            if not stream.has_state and stream.placed and epoch != stream.epoch:
                self._begin(stream, epoch, offset)
            return True
        if kind == "tick":
            if stream.placed and (epoch != stream.epoch or offset > stream.offset):
                self.counts.lost += max(1, offset - stream.offset) if epoch == stream.epoch else 1
                self.counts.problem(f"{stream.topic}: a tick of {offset}, we are at {stream.offset}")
                return False
            return True
        if kind == "snapshot":
            return self._snapshot(stream, frame, epoch, offset)
        if kind not in ("delta", "event", "gap"):
            return True
        if not stream.placed:
            # State that has no snapshot yet.
            return not stream.has_state or kind == "gap"
        stands_for = frame.get("merged", 1)
        if kind == "gap" and frame["data"]["kind"] == "delivery":
            stands_for = int(frame["data"]["to"]) - int(frame["data"]["from"]) + 1
        if epoch != stream.epoch:
            if kind == "delta":
                self.counts.problem(f"{stream.topic}: a delta begins epoch {epoch}")
                return False
            self._begin(stream, epoch, offset - stands_for)
        expected = stream.offset + stands_for
        if offset > expected:
            self.counts.lost += offset - expected
            self.counts.problem(f"{stream.topic}: {kind} {offset} (merged {stands_for}) behind {stream.offset}")
            return False
        if offset < expected:
            if offset <= stream.offset:
                self.counts.duplicated += 1
            else:
                self.counts.disordered += 1
            self.counts.problem(f"{stream.topic}: {kind} {offset} (merged {stands_for}) behind {stream.offset}")
            return True
        stream.offset = offset
        self.counts.updates += 1
        if kind == "gap":
            self.counts.gaps += 1
        elif kind == "delta":
            self._state(stream, frame["data"], whole=False)
        self._keep(stream)
        self.on_update(stream, frame)
        return True

    def _snapshot(self, stream: Stream, frame: dict, epoch: str, offset: int) -> bool:
        if stream.placed and epoch == stream.epoch and offset < stream.offset:
            self.counts.disordered += 1
            self.counts.problem(f"{stream.topic}: a snapshot of {offset} behind {stream.offset}")
        if stream.placed and epoch != stream.epoch and not (stream.book and stream.book.state == "syncing"):
            # The first whole book after an empty one breaks nothing.
            self.counts.epochs += 1
        stream.has_state = True
        stream.epoch, stream.offset, stream.placed = epoch, offset, True
        self._state(stream, frame["data"], whole=True)
        self._keep(stream)
        self.on_update(stream, frame)
        return True

    def _begin(self, stream: Stream, epoch: str, offset: int) -> None:
        self.counts.epochs += 1
        stream.epoch, stream.offset = epoch, offset

    def _state(self, stream: Stream, data: dict, *, whole: bool) -> None:
        if stream.book:
            stream.book.apply(data, whole)
        else:
            stream.state = data

    def _keep(self, stream: Stream) -> None:
        if self.keep_books and stream.book:
            stream.kept[f"{stream.epoch}:{stream.offset}"] = (dict(stream.book.bids), dict(stream.book.asks))
            while len(stream.kept) > KEPT_BOOKS:
                stream.kept.popitem(last=False)

    # Comparing with the gateway's own books.

    async def check(self, stream: Stream, base: str) -> bool | None:
        """Compares our book with the gateway's at the same epoch and offset; None if they never met."""
        try:
            theirs = await asyncio.to_thread(snapshot, base, stream.topic)
        except (OSError, ValueError):
            return None
        name = f"{theirs['epoch']}:{theirs['offset']}"
        until = time.monotonic() + 2
        # The snapshot may be ahead of what has reached us.
        while name not in stream.kept and time.monotonic() < until:
            self.moved.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.moved.wait(), 0.2)
        if name not in stream.kept:
            self.counts.snapshots_missed += 1
            return None
        bids, asks = stream.kept[name]
        equal = bids == dict(theirs["data"]["bids"]) and asks == dict(theirs["data"]["asks"])
        if equal:
            self.counts.snapshots_equal += 1
        else:
            self.counts.snapshots_wrong += 1
            self.counts.problem(f"{stream.topic}: our book at {name} is not the gateway's")
        return equal

    async def check_books(self, base: str, every: float) -> None:
        """Compares one book after the other, each of them every so many seconds."""
        while True:
            books = [stream for stream in self.streams.values() if stream.book]
            for stream in books:
                if stream.placed and not stream.asked:
                    await self.check(stream, base)
                await asyncio.sleep(every / len(books))
            if not books:
                await asyncio.sleep(0.1)


def snapshot(base: str, topic: str) -> dict:
    """The gateway's own snapshot of a state topic; its ETag must say where it stands."""
    url = f"{base}/api/v1/topics/{urllib.parse.quote(topic, safe='')}/snapshot"
    with urllib.request.urlopen(url, timeout=5) as answer:
        frame = json.load(answer)
        stands = f"\"{frame['epoch']}:{frame['offset']}\""
        if answer.headers["ETag"] != stands:
            raise ValueError(f"ETag {answer.headers['ETag']}, but the body says {stands}")
        return frame


class Printing(Client):
    """Says what happens, a line at a time."""

    def on_news(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def on_subscribed(self, stream: Stream, result: dict) -> None:
        print(f"{stream.topic}: {'recovered' if result.get('recovered') else 'begun'}"
              f"{', ' + result['reason'] if 'reason' in result else ''}", file=sys.stderr, flush=True)

    def on_update(self, stream: Stream, frame: dict) -> None:
        data = frame["data"]
        if stream.book:
            best = [max(stream.book.bids, key=float, default="-"), min(stream.book.asks, key=float, default="-")]
            print(f"{stream.topic} {stream.offset} {best[0]} / {best[1]} {stream.book.state}")
        else:
            print(f"{stream.topic} {stream.offset} {frame['type']} {json.dumps(data, separators=(',', ':'))}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Reads topics of a Tapeline gateway and accounts for every offset.")
    parser.add_argument("topics", nargs="+", metavar="TOPIC", help="for example binance:book:BTCUSDT")
    parser.add_argument("--gateway", default="http://127.0.0.1:8480", help="default: %(default)s")
    parser.add_argument("--delivery", choices=["every", "conflate"], help="default: events every, state conflated")
    parser.add_argument("--interval-ms", type=int, metavar="N", help="the least time between conflated updates")
    parser.add_argument("--seconds", type=float, help="stop after so long; default: at Ctrl-C")
    parser.add_argument("--check", type=float, metavar="SECONDS",
                        help="compare every book with the gateway's snapshot so often; wants --delivery every")
    parser.add_argument("--quiet", action="store_true", help="no line per update, only the account at the end")
    chosen = parser.parse_args()
    if any("*" in topic for topic in chosen.topics):
        parser.error("patterns have no position of their own: name the topics")
    return chosen


async def main() -> int:
    chosen = arguments()
    base = chosen.gateway.rstrip("/")
    url = base.replace("http", "ws", 1) + "/v1/stream"
    make = Client if chosen.quiet else Printing
    client = make(url, chosen.topics, delivery=chosen.delivery, interval_ms=chosen.interval_ms,
                  keep_books=chosen.check is not None)
    tasks = [asyncio.create_task(client.run())]
    if chosen.check is not None:
        tasks.append(asyncio.create_task(client.check_books(base, chosen.check)))
    status = 0
    try:
        done, _ = await asyncio.wait(tasks, timeout=chosen.seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except Refused as refusal:
        print(f"the gateway refuses us: {refusal}", file=sys.stderr)
        status = 1
    except asyncio.CancelledError:
        # Ctrl-C: the account is still told.
        pass
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        print(json.dumps(client.counts.summary()), file=sys.stderr)
    return status or (0 if client.counts.clean() else 1)


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except KeyboardInterrupt:
        sys.exit(130)
