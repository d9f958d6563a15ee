"""The daemon of the order benchmark: it holds a stop on every symbol, and the quotes come from the ticker."""

from __future__ import annotations

import asyncio
from functools import partial

import uvloop

from tradebot.bench.daemon.trading import Site, settings, trading
from tradebot.bench.venue.wire import Feed
from tradebot.config.sections import AnalysisSection


def serve(site: Site, ticker: str, *, store: bool) -> None:
    """Run the daemon until the process is killed; `store` feeds the tables people query as always."""
    uvloop.run(_run(site, ticker, store))


async def _run(site: Site, ticker: str, store: bool) -> None:
    config, broker = settings(site, AnalysisSection(workers=0, warmup_bars=0), store=store), site.broker()
    feed_of = partial(Feed, url=ticker, credentials=site.keys, clock=site.clock)
    async with trading(site, config, broker, feed_of) as (daemon, _):
        await daemon.engine.ready.wait()
        broker.enter(config.app.symbols)
        await asyncio.Event().wait()
