"""The clock of a rehearsal: asks the exchange in the venue's place for its time, and follows it over its restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import orjson

from tradebot.clock import SECOND, Clock, RehearsalClock, format_iso
from tradebot.daemon.start_retry import StartRetry
from tradebot.domain.message import Message
from tradebot.errors import LinkLost
from tradebot.markets.market import Market
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.rehearsal import ExchangeClockLost, ExchangeClockMoved, LiveRehearsed
from tradebot.ops.events.venue import LoginFailed
from tradebot.venues.adapter import VenueAccess
from tradebot.venues.tls import trusted_ssl_context

ANSWER_WITHIN_S = 2.0
READ_EVERY_S = 0.25  # wall seconds between two readings
TOLD_JUMP_S = 5.0  # wall seconds; a smaller correction is not worth a line
MAX_ANSWER_BYTES = 4096


class ClockReading(Message, frozen=True):
    """The exchange's market time (ns) at one monotonic instant (ns), and its speed."""

    market_at: int
    mono: int
    speed: float


@asynccontextmanager
async def follow_exchange_clock(
    access: VenueAccess, *, host: Clock, market: Market, start_retry: StartRetry, tell: EventListener
) -> AsyncIterator[RehearsalClock]:
    """Yield the clock of the exchange at a loopback `access`, followed while the context is open.

    Raises VenueUnavailable where no exchange of ours answers.
    """
    rest = next(address for address in access.addresses.values() if address.startswith("http"))
    timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
    context = trusted_ssl_context(access.ca_bundle) if rest.startswith("https:") else True
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, trust_env=False) as http:

        async def read() -> ClockReading:
            return await _read(http, rest)

        first = await start_retry.retry_until_answered(
            read, failed=LoginFailed, gave_up="no exchange of a rehearsal answered"
        )
        clock = RehearsalClock(host, market_at=first.market_at, mono=first.mono, speed=first.speed)
        shown = format_iso(clock.market_ns(), market.tzinfo)[:19]
        tell(LiveRehearsed(address=rest, market_time=shown, speed=first.speed))
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(_follow(clock, read, market, tell), name="exchange-clock")
            try:
                yield clock
            finally:
                following.cancel()


async def _follow(
    clock: RehearsalClock, read: Callable[[], Awaitable[ClockReading]], market: Market, tell: EventListener
) -> None:
    is_lost = False
    while True:
        await clock.sleep(READ_EVERY_S)
        try:
            reading = await read()
            if reading.speed != clock.speed:
                raise LinkLost(f"the exchange runs at speed {reading.speed:g} now, this run began at {clock.speed:g}")
        except LinkLost as error:
            clock.hold_market()
            if not is_lost:
                tell(ExchangeClockLost(reason=str(error)))
            is_lost = True
            continue
        ahead = clock.follow_exchange(market_at=reading.market_at, mono=reading.mono)
        if is_lost or ahead > TOLD_JUMP_S * clock.speed * SECOND:
            shown = format_iso(clock.market_ns(), market.tzinfo)[:19]
            tell(ExchangeClockMoved(market_time=shown, by_s=round(ahead / SECOND, 1)))
        is_lost = False


async def _read(http: aiohttp.ClientSession, rest: str) -> ClockReading:
    try:
        async with http.get(f"{rest.rstrip('/')}/clock", allow_redirects=False) as response:
            raw = await response.content.read(MAX_ANSWER_BYTES)
            if response.status != 200:
                raise LinkLost(f"GET {rest}/clock: HTTP {response.status}; no exchange of ours listens there")
    except (aiohttp.ClientError, OSError) as error:
        raise LinkLost(f"GET {rest}/clock: {str(error) or type(error).__name__}") from error
    return _parse(raw, rest)


def _parse(raw: bytes, rest: str) -> ClockReading:
    # {"market_ns": 1763869500000000000, "monotonic_ns": 84000000000, "speed": 60.0}
    try:
        found = orjson.loads(raw)
        reading = ClockReading(
            market_at=int(found["market_ns"]), mono=int(found["monotonic_ns"]), speed=float(found["speed"])
        )
    except (ValueError, LookupError, TypeError) as error:
        raise LinkLost(f"GET {rest}/clock: not the clock of an exchange ({error})") from error
    if not (0 < reading.market_at < 1 << 62 and 0 < reading.speed <= 3600):
        raise LinkLost(f"GET {rest}/clock: not a time and a speed")
    return reading
