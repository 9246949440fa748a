"""The gateway is killed in a row: what it knows of the venue's limits must outlive it, and the client must be told."""

import asyncio
import collections
import json
import random
import time

from bench import Findings, Listener, running, stage, symbols_of

# Seconds that a gateway lives. Short enough that two lines a life would break the limit of connects.
LIVES = (0.1, 5.0)
# At these turns the venue asks for a pause, and the gateway dies as soon as it can have written down that it was told.
PAUSES = {20: "too-many by=20s times=1", 45: "too-many by=20s times=1", 70: "teapot by=20s times=1"}
TOLD = 0.05
CONNECTS, MESSAGES = 150, 4
# The connects of five minutes may be used up when the last one begins.
BACK = 330.0


class Folder:
    """What a killed process leaves must be readable."""

    def __init__(self, folder):
        self.folder, self.looks, self.broken = folder / "state", 0, []

    def look(self):
        for path in sorted(self.folder.glob("venues/*.json")):
            self.looks += 1
            try:
                kept = json.loads(path.read_text())
                if not isinstance(kept["dials_ms"], list) or kept["weight"] < 0:
                    raise ValueError("it says nothing of the limits")
            except (ValueError, KeyError) as error:
                self.broken.append(f"{path.name}: {error}")
        for path in self.folder.glob("events*.jsonl"):
            # Only the last line may be half written.
            for text in path.read_text().split("\n")[:-1]:
                try:
                    json.loads(text)
                except ValueError as error:
                    self.broken.append(f"{path.name}: {error}")


async def one_life(bench, dice, turn):
    """Lets the gateway live a while. Of a life in which the venue asked for a pause: how many answers said so, and how
    many requests were on their way then, which is nobody's fault."""
    if turn not in PAUSES:
        await asyncio.sleep(dice.uniform(*LIVES))
        return 0, 0
    before = await bench.venue.get("/sim/report")
    number = (await bench.venue.order(PAUSES[turn]))[0]
    until = time.monotonic() + 70
    while asked_in_vain(await bench.venue.get("/sim/report")) == asked_in_vain(before) and time.monotonic() < until:
        # The weight of a minute may be used up: then nothing is asked before it is over.
        await asyncio.sleep(0.01)
    await bench.venue.calm(number)
    await asyncio.sleep(TOLD)
    after = await bench.venue.get("/sim/report")
    return asked_in_vain(after) - asked_in_vain(before), after["asked_while_held"] - before["asked_while_held"]


def asked_in_vain(report):
    return report["http_429"] + report["http_418"]


async def run(program, number):
    findings, dice, begun = Findings(), random.Random(1), time.monotonic()
    print(f"{number} times kill -9, each after {LIVES[0]} to {LIVES[1]} s", flush=True)
    async with stage(program, lines=2) as bench:
        symbols = await symbols_of(bench.venue)
        client = Listener(f"ws://{bench.listen}/v1/stream", symbols)
        folder, starts, ordered, on_their_way = Folder(bench.folder), [], 0, 0
        async with running(client, bench) as judge:
            await client.flowing(30)
            for turn in range(number):
                told, late = await one_life(bench, dice, turn)
                ordered, on_their_way = ordered + told, on_their_way + late
                await bench.kill()
                folder.look()
                at = time.monotonic()
                await bench.start()
                starts.append(time.monotonic() - at)
            spent, last = time.monotonic() - begun, time.monotonic()
            client.books.clear()
            news = {topic: len(account.got) for topic, account in client.accounts.items()}
            while not (len(client.books) == len(symbols) and all(live for _, live in client.books.values())
                       and all(len(account.got) > news[topic] for topic, account in client.accounts.items())):
                if time.monotonic() > last + BACK:
                    break
                await asyncio.sleep(0.1)
            back = time.monotonic() - last
        report = await bench.venue.get("/sim/report")
        texts = bench.log.read_text()
        errors = bench.errors()
        await bench.gateway.stop()
    findings.tell(f"{spent:.0f} s; to listening again: {max(starts):.2f} s at most; {client.counts.connects} connects of "
                  f"the client, {report['connects']} of the gateway, {report['http_requests']} requests")
    findings.must("connects in the worst five minutes", report["most_connects_in_five_minutes"],
                  report["most_connects_in_five_minutes"] <= CONNECTS, f"at most {CONNECTS}")
    findings.must("messages of a connection in its worst second", report["most_messages_in_a_second"],
                  report["most_messages_in_a_second"] <= MESSAGES, f"at most {MESSAGES}")
    findings.must("answers that asked for a pause", ordered, number < max(PAUSES) or ordered >= len(PAUSES),
                  f"at least {len(PAUSES)}")
    findings.none("asked before the pause was over", report["asked_while_held"] - on_their_way)
    findings.none("bans and refusals that were not ordered", asked_in_vain(report) - ordered
                  + report["closed_for_rate"] + report["refused"])
    findings.must("state files that could not be read", len(folder.broken), not folder.broken,
                  f"0 of {folder.looks}")
    findings.none("starts that did not know what was used up", texts.count("what was used up of the limits is not known"))
    findings.none("offsets and trades missing, doubled or out of order without a word",
                  client.counts.lost + client.counts.duplicated + client.counts.disordered + client.missed)
    findings.tell(f"the client was told: {client.counts.recovered} recovered, not recovered "
                  f"{dict(client.counts.not_recovered)}, {client.counts.gaps} gaps, {client.counts.epochs} new epochs")
    findings.none("books that were not the venue's", judge.wrong)
    findings.must("all topics flow again after", f"{back:.1f} s", back < BACK, f"at most {BACK:.0f} s")
    for problem in client.counts.problems + folder.broken[:5]:
        findings.must("problem", problem, False, "none")
    findings.tell(f"errors in the log: {dict(collections.Counter(line.get('rules', line['message']) for line in errors))}")
    return findings.failed
