"""The daemon of the order benchmark: it has a stop on every symbol and gets its quotes from the ticker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial

import uvloop

from tradebot.bench.daemon.measured_daemon import DaemonSite, bench_config, running_daemon
from tradebot.bench.venue.wire import Feed
from tradebot.config import Config
from tradebot.config.sections import AnalysisSection
from tradebot.daemon.daemon import Daemon
from tradebot.ops.events.bus import EventBus


def serve_orders(site: DaemonSite, ticker: str, *, store: bool) -> None:
    """Run the daemon until the process is killed; with `store` it also feeds the tables for people, as usual."""
    uvloop.run(trade_quotes(site, ticker, order_config(site, store=store)))


def order_config(site: DaemonSite, *, store: bool) -> Config:
    """Return the config of a daemon of stops alone, which analyses nothing."""
    return bench_config(site, AnalysisSection(workers=0, warmup_bars=0), store=store)


async def trade_quotes(
    site: DaemonSite,
    ticker: str,
    config: Config,
    *,
    beside: Callable[[Daemon], AbstractAsyncContextManager[None]] = lambda _: nullcontext(),
    bus: EventBus | None = None,
) -> None:
    """Run the daemon for good; `beside` is open from before its first trade, `bus` hears its events."""
    broker = site.make_broker()
    feed_of = partial(Feed, url=ticker, credentials=site.credentials, clock=site.clock)
    async with running_daemon(site, config, broker, feed_of, bus=bus) as (daemon, _), beside(daemon):
        await daemon.engine.quotes_ready.wait()
        broker.enter_positions(config.app.symbols)
        await asyncio.Event().wait()
