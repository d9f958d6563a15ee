"""The daemon's clients in the tick stream benchmark: from the socket to the bars, as in the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tradebot.bench.stream.client_run import QUEUE_FRAMES, RunTimer, StreamRequest, StreamResult
from tradebot.bench.venue import frames
from tradebot.bench.venue.flood import END_FRAME
from tradebot.bench.venue.wire import Feed
from tradebot.clock import HOUR, MILLISECOND, MINUTE
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import MarketMessage
from tradebot.ops.interpreter_tuning import tuned_interpreter
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.price_band import PriceBand
from tradebot.trading.queues import BoundedQueue, Inbox
from tradebot.trading.quote_filter import SessionBounds
from tradebot.venues.credentials import Credentials
from tradebot.venues.link import read_frames
from tradebot.venues.trade_batcher import TradeBatcher, parse_units


class _FixedSession:
    def __init__(self, symbols: int, origin: int) -> None:
        self._symbols, self._origin = symbols, origin

    def session_at(self, market_at: int) -> SessionBounds:
        opens, closes = self._origin, self._origin + 8 * HOUR
        full = np.full(self._symbols, opens, dtype=np.int64)
        return SessionBounds(full, full - opens + closes, closes, closes, closes)


async def _into_bars(
    ask: StreamRequest, timer: RunTimer, read: Callable[[Universe, BoundedQueue], Awaitable[object]]
) -> StreamResult:
    # As the engine between feed and bars: one queue, one task, bars closed by the clock.
    universe = frames.bench_universe(ask.symbols)
    band = PriceBand([instrument.price_to_units(instrument.tick_size) for instrument in universe])
    bars = BarBuilder(
        ask.symbols, interval_ns=MINUTE, grace_ns=0, sessions=_FixedSession(ask.symbols, ask.origin), price_band=band
    )
    bars.roll_session(ask.origin)
    queue = BoundedQueue("market", 2_000)
    with tuned_interpreter(timer.clock, timer.latencies.record_duration):
        async with asyncio.TaskGroup() as tasks:
            around = [tasks.create_task(read(universe, queue)), tasks.create_task(timer.measure_loop_lag())]  # type: ignore[arg-type]
            looked_at = 0
            message: Quotes
            async for message in Inbox((queue,), timer.clock):
                timer.mark_first_tick()
                bars.add_quotes(message)
                if message.seen_at - looked_at > 50 * MILLISECOND:
                    looked_at = message.seen_at
                    bars.close_due_bars(int(message.sent_at[-1]), mono=looked_at)
                if (
                    bars.quote_filter.accepted_count
                    + sum(bars.quote_filter.dropped_counts.values())
                    + queue.merged_count
                    >= ask.ticks
                ):
                    break
            found = timer.mark_last_tick(bars.quote_filter.accepted_count)
            for task in around:
                task.cancel()
    return found


async def tradebot_binary(ask: StreamRequest, timer: RunTimer) -> StreamResult:
    """Read binary frames through the daemon's feed into bars."""

    async def read(universe: Universe, queue: BoundedQueue) -> None:
        feed = Feed(
            universe,
            url=ask.tick_url("binary"),
            credentials=Credentials(api_key="-", access_token="-"),
            clock=timer.clock,
        )

        def on_market(message: MarketMessage) -> None:
            if isinstance(message, Quotes):
                queue.offer_quotes(message)

        await feed.run(on_market, lambda order: None)

    return await _into_bars(ask, timer, read)


class _Trade(msgspec.Struct, gc=False):
    s: str
    p: str
    q: str
    T: int


async def tradebot_json(ask: StreamRequest, timer: RunTimer) -> StreamResult:
    """Read text frames of one trade each into bars; trades of one loop turn are batched into columns."""

    async def read(universe: Universe, queue: BoundedQueue) -> None:
        decode, ids = msgspec.json.Decoder(_Trade).decode, {name: id_ for id_, name in enumerate(universe.symbols)}
        gather = TradeBatcher(universe, source="json", on_quotes=queue.offer_quotes)
        loop, clock = asyncio.get_running_loop(), timer.clock

        def on_frame(frame: str | bytes) -> None:
            if frame == END_FRAME.encode():
                return
            trade = decode(frame)
            if not gather:
                loop.call_soon(lambda: gather.flush_quotes(clock.monotonic_ns()))
            gather.add_trade(
                ids[trade.s],
                sent_at=trade.T * MILLISECOND,
                price=parse_units(trade.p, 2),
                quantity=parse_units(trade.q, 0),
            )

        async with connect(ask.tick_url("json"), compression=None, max_queue=QUEUE_FRAMES) as socket:
            await socket.send("{}")
            try:
                await read_frames(partial(socket.recv, decode=False), on_frame, silent_after_s=5.0, clock=timer.clock)
            except ConnectionClosed:
                return

    return await _into_bars(ask, timer, read)
