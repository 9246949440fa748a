"""Keeps books with other people's Binance clients against the simulator, and compares them with the truth.

Called by scripts/third-party. The clients are as their authors ship them; only their URLs are changed.
"""

import asyncio
import sys
import threading
import time

import requests
from binance import AsyncClient, BinanceSocketManager, DepthCacheManager
from unicorn_binance_local_depth_cache import BinanceLocalDepthCacheManager, DepthCacheOutOfSync


class Judge:
    """Compares a client's book with the simulator's own at the same update id."""

    def __init__(self, url, client):
        self.url, self.client = url, client
        self.equal = self.wrong = self.forgotten = 0
        self.first = None

    def compare(self, symbol, update_id, bids, asks):
        reply = requests.get(f"{self.url}/sim/truth", params={"symbol": symbol, "id": update_id}, timeout=10)
        if reply.status_code == 404:
            self.forgotten += 1
            return
        reply.raise_for_status()
        truth = reply.json()
        as_numbers = lambda side: {float(price): float(size) for price, size in side}
        same = as_numbers(truth["bids"]) == as_numbers(bids) and as_numbers(truth["asks"]) == as_numbers(asks)
        self.equal += same
        self.wrong += not same
        if not same and self.first is None:
            self.first = f"{symbol} at {update_id}: {len(bids)}/{len(asks)} levels, truth {len(truth['bids'])}/{len(truth['asks'])}"

    def verdict(self):
        print(f"{self.client}: {self.equal} books equal to the truth, {self.wrong} wrong, "
              f"{self.forgotten} no longer remembered by the simulator", flush=True)
        if self.first:
            print(f"  first difference: {self.first}", flush=True)
        return self.wrong == 0 and self.equal > 0


async def python_binance(url, symbols, until):
    judge = Judge(url, "python-binance")
    AsyncClient.API_URL = f"{url}/api"
    BinanceSocketManager.STREAM_URL = url.replace("http", "ws", 1) + "/"
    client = await AsyncClient.create()
    client.API_URL = f"{url}/api"

    async def follow(symbol):
        manager = DepthCacheManager(client, symbol, limit=1000, ws_interval=100)
        last = 0.0
        async with manager as books:
            while time.monotonic() < until:
                book = await books.recv()
                if book is None or time.monotonic() - last < 1:
                    continue
                last = time.monotonic()
                taken = manager._last_update_id, book.get_bids(), book.get_asks()
                await asyncio.to_thread(judge.compare, symbol, *taken)

    await asyncio.gather(*(follow(symbol) for symbol in symbols))
    await client.close_connection()
    return judge.verdict()


def redirect(simulator):
    """The REST part of unicorn asks the venue's host from its constructor on, and no setting changes that."""
    original = requests.Session.request
    venue = "https://api.binance.com"

    def request(session, method, url, *arguments, **options):
        return original(session, method, url.replace(venue, simulator), *arguments, **options)

    requests.Session.request = request


def unicorn(url, symbols, until):
    redirect(url)
    judge = Judge(url, "unicorn-binance-local-depth-cache")
    manager = BinanceLocalDepthCacheManager(exchange="binance.com", depth_cache_update_interval=100,
                                            init_interval=0.5, warn_on_update=False)
    manager.ubwa.websocket_base_uri = url.replace("http", "ws", 1) + "/"
    manager.create_depthcache(markets=symbols)
    while time.monotonic() < until:
        for symbol in symbols:
            time.sleep(1 / len(symbols))
            try:
                taken = stable(manager, symbol)
            except DepthCacheOutOfSync:
                continue
            if taken:
                judge.compare(symbol, *taken)
    manager.stop_manager()
    return judge.verdict()


def stable(manager, symbol):
    """A reading between two updates: its thread writes while we read."""
    for _ in range(100):
        before = manager.depth_caches[symbol.lower()]["last_update_id"]
        bids, asks = manager.get_bids(symbol), manager.get_asks(symbol)
        if before and before == manager.depth_caches[symbol.lower()]["last_update_id"]:
            return before, bids, asks
    return None


def main():
    url, seconds, symbols = sys.argv[1].rstrip("/"), float(sys.argv[2]), sys.argv[3].split(",")
    until = time.monotonic() + seconds
    verdicts = {}
    thread = threading.Thread(target=lambda: verdicts.update(unicorn=unicorn(url, symbols, until)))
    thread.start()
    verdicts["python-binance"] = asyncio.run(python_binance(url, symbols, until))
    thread.join()
    sys.exit(0 if len(verdicts) == 2 and all(verdicts.values()) else 1)


main()
