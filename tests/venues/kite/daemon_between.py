"""A whole daemon in this process, an exchange of our own, and a proxy between them that changes what a test wants."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.patient_trader import PATIENT
from tests.venues.kite.between import Between, between
from tradebot.app import RunOptions, run
from tradebot.clock import WallClock
from tradebot.config.sources import load_config
from tradebot.daemon.venue.embedded_exchange import open_embedded_exchange
from tradebot.exchange.exchange import Exchange
from tradebot.ops.events.bus import EventBus
from tradebot.ops.events.event import Event
from tradebot.ops.systemd import Notifier

SYMBOLS = "RELIANCE,TCS"


class Said(Notifier):
    """The words to a supervisor, kept."""

    def __init__(self) -> None:
        super().__init__({})
        self.words: list[str] = []

    def _send(self, *lines: str) -> None:
        self.words += lines


class Run:
    """A daemon under way: what it told, and the exchange and the proxy that it talks to."""

    def __init__(self, proxy: Between, exchange: Exchange, start: Callable[[Run], Any]) -> None:
        self.proxy, self.exchange, self._start = proxy, exchange, start
        self.told: list[dict[str, Any]] = []
        self.news = asyncio.Event()
        self.supervisor = Said()

    def tell(self, event: Event) -> None:
        self.told.append({"event": event.name, "level": event.level} | event.log_fields())
        self.news.set()

    def all(self, event: str, since: int = 0) -> list[dict[str, Any]]:
        return [line for line in self.told[since:] if line["event"] == event]

    async def until(self, is_enough: Callable[[], object], within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not is_enough():
                self.news.clear()
                try:
                    async with asyncio.timeout(0.1):
                        await self.news.wait()
                except TimeoutError:
                    continue

    async def event(self, name: str, times: int = 1) -> dict[str, Any]:
        await self.until(lambda: len(self.all(name)) >= times)
        return self.all(name)[times - 1]

    async def start(self) -> Any:
        """Run the daemon to its end."""
        return await self._start(self)

    @asynccontextmanager
    async def daemon(self) -> AsyncIterator[asyncio.Task[Any]]:
        """Run the daemon; it is stopped as a supervisor stops it, unless it has ended."""
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(self._start(self))
            yield task
            if not task.done():
                signal.raise_signal(signal.SIGTERM)
            await task


@asynccontextmanager
async def day(folder: Path, *, trader: str = PATIENT, symbols: str = SYMBOLS, **settings: Any) -> AsyncIterator[Run]:
    """Open an exchange and a proxy to it; a minute of the market takes a quarter of a second."""
    (folder / "trader.py").write_text(trader)
    plain: dict[str, Any] = {
        "app": {"symbols": symbols, "state_dir": str(folder / "state")},
        "exchange": {"speed": 240.0, "latency_ms": 1.0},
        "analysis": {"workers": 0, "warmup_bars": 0},
        "reconcile": {"live_every_s": 1.0, "idle_every_s": 5.0},
        "strategy": [{"name": f"{folder / 'trader.py'}:Trader"}],
        "store": {"enabled": False},
    }
    for section, values in settings.items():
        plain[section] = plain.get(section, {}) | values
    config = load_config(overrides=plain)
    opened: list[Exchange] = []
    async with open_embedded_exchange(
        config, symbols=tuple(dict.fromkeys(symbols.split(","))), seen_until=0, log=folder / "exchange.jsonl",
        on_end=lambda reason: None, on_open=opened.append,
    ) as (addresses, clock):  # fmt: skip
        clock.start_market()
        async with between(addresses.entry["rest"], addresses.entry["ticker"]) as proxy:
            at = addresses.to_json()
            at["clock"] |= {"market": clock.starts_at, "monotonic": clock.anchor_mono}
            at["kite"] |= {"rest": proxy.rest, "ticker": proxy.ticker}
            runs = iter(range(1, 100))

            async def start(this: Run) -> Any:
                options = RunOptions(run_id=f"T{next(runs)}", exchange=at)
                bus = EventBus()
                bus.subscribe(this.tell)
                return await run(config, options, bus=bus, notifier=this.supervisor, wall_clock=WallClock())

            yield Run(proxy, opened[0], start)
