"""The daemon of the order benchmark: it has a stop on every symbol and gets its quotes from the ticker."""

from __future__ import annotations

import asyncio
from functools import partial

import uvloop

from tradebot.bench.daemon.measured_daemon import DaemonSite, bench_config, running_daemon
from tradebot.bench.venue.wire import Feed
from tradebot.config.sections import AnalysisSection


def serve_orders(site: DaemonSite, ticker: str, *, store: bool) -> None:
    """Run the daemon until the process is killed; with `store` it also feeds the tables for people, as usual."""
    uvloop.run(_run(site, ticker, store))


async def _run(site: DaemonSite, ticker: str, store: bool) -> None:
    config, broker = bench_config(site, AnalysisSection(workers=0, warmup_bars=0), store=store), site.make_broker()
    feed_of = partial(Feed, url=ticker, credentials=site.credentials, clock=site.clock)
    async with running_daemon(site, config, broker, feed_of) as (daemon, _):
        await daemon.engine.quotes_ready.wait()
        broker.enter_positions(config.app.symbols)
        await asyncio.Event().wait()
