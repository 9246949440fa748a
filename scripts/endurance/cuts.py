"""Lines A and B are cut by turns, faster than anything real: nobody may notice."""

import asyncio
import time

from bench import Findings, Listener, percentile, running, stage, symbols_of

EVERY = 2.0
# How late the pauses are at most, in seconds.
PAUSE = 0.05
SCALED = 'stable_after = "1s"\nforgive_every = "1s"'
# The same with one line and no repair: a judge that finds nothing then finds nothing ever.
CONTROL_CUTS = 10


async def cut(bench, number):
    """Cuts the older of the gateway's lines; A and B come by turns, since the younger is the one cut before."""
    sockets = await bench.venue.sockets()
    if len(sockets) < bench.lines:
        return None
    await bench.venue.order(f"{('reset', 'fin')[number // 2 % 2]} socket={sockets[0]['socket']} times=1")
    return sockets[0]["host"]


def pauses(client, moments):
    """After each cut, how much later than usual something came; by the client's clock, and by the gateway's."""
    rows = [row for account in client.accounts.values() for row in account.got.values()]
    found = []
    for clock in (0, 2):
        lags = sorted((row[clock], row[clock] - row[1]) for row in rows)
        usual = percentile([lag for _, lag in lags], 50)
        at, worst = 0, []
        for moment in moments:
            while at < len(lags) and lags[at][0] < moment:
                at += 1
            last = at
            while last < len(lags) and lags[last][0] < moment + EVERY:
                last += 1
            worst.append(max((lag for _, lag in lags[at:last]), default=EVERY) - usual)
        found.append((usual, worst))
    return found


async def series(program, number, *, lines, extra=""):
    async with stage(program, lines=lines, extra=extra, timing=SCALED) as bench:
        client = Listener(f"ws://{bench.listen}/v1/stream", await symbols_of(bench.venue))
        async with running(client, bench) as judge:
            await client.flowing(20)
            await asyncio.sleep(3)
            moments, struck, next_cut = [], [], time.monotonic()
            for turn in range(number):
                await asyncio.sleep(max(0.0, next_cut - time.monotonic()))
                next_cut += EVERY
                host = await cut(bench, turn)
                if host:
                    moments.append(time.time())
                    struck.append(host)
            await asyncio.sleep(5)
            for account in client.accounts.values():
                await account.learn(bench.venue)
        of_lines = (await bench.ask("/api/v1/lines"))["items"]
        report = await bench.venue.get("/sim/report")
        await bench.gateway.stop()
        return client, judge, moments, struck, of_lines, report


async def run(program, number):
    findings = Findings()
    print(f"{number} cuts of A and B by turns, {EVERY:.0f} s apart", flush=True)
    client, judge, moments, struck, lines, report = await series(program, number, lines=2)
    verdict = client.verdict()
    findings.tell(f"{len(moments)} cuts, {dict((host, struck.count(host)) for host in sorted(set(struck)))}; reconnects "
                  f"{dict((line['id'], line['reconnects']) for line in lines)}, {report['connects']} connects")
    findings.must("cuts that struck one line of two", len(moments), len(moments) == number, f"{number}")
    findings.tell(f"{verdict['sent']} trades sent by the venue, {client.counts.updates} updates in all")
    findings.none("trades lost", verdict["lost"])
    findings.none("trades doubled", verdict["doubled"])
    findings.none("trades that are not the venue's", verdict["wrong"])
    findings.none("offsets lost, doubled or out of order",
                  client.counts.lost + client.counts.duplicated + client.counts.disordered + client.missed)
    findings.none("gaps declared", client.counts.gaps)
    findings.none("new epochs, and books that were not live", client.counts.epochs + client.stale)
    findings.must("books equal to the venue's", judge.equal, judge.equal >= number, f"at least {number}")
    findings.none("books that were not", judge.wrong)
    for whose, (usual, worst) in zip(("the client's clock", "the gateway's clock"), pauses(client, moments)):
        p99 = percentile(worst, 99)
        findings.must(f"pause p99 by {whose}", f"{p99 * 1e3:.1f} ms", p99 <= PAUSE, f"at most {PAUSE * 1e3:.0f} ms")
        findings.tell(f"  p50 {percentile(worst, 50) * 1e3:.1f} ms, longest {max(worst) * 1e3:.1f} ms beyond the "
                      f"usual {usual * 1e3:.1f} ms from the venue's time")
    for text in client.counts.problems:
        findings.must("problem", text, False, "none")
    print(f"{CONTROL_CUTS} cuts of one line, repair off: the control", flush=True)
    control, _, moments, *_ = await series(program, CONTROL_CUTS, lines=1, extra="[limits]\nrepair = false")
    verdict = control.verdict()
    findings.must("trades lost", verdict["lost"], verdict["lost"] > 0, "more than 0, or the judge is blind")
    findings.tell(f"gaps declared {control.counts.gaps}, doubled {verdict['doubled']}, wrong {verdict['wrong']}")
    return findings.failed
