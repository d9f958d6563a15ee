"""The ground of a run: the venue that the config names, opened, logged in, with its clock and its instruments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from tradebot.clock import Clock, MarketClock, WallClock
from tradebot.config import Config
from tradebot.daemon.embedded import embedded
from tradebot.domain.instrument import Universe
from tradebot.errors import ConfigError, LinkLost, VenueUnavailable
from tradebot.exchange.faults.plan import FaultPlan
from tradebot.ops.narrator import Tell
from tradebot.venues.kite.venue import KiteVenue
from tradebot.venues.venue import Venue

Told = TypeVar("Told")
TRIES = 5
SILENT = f"the venue did not answer in {TRIES} tries"
FIRST_PAUSE_S = 0.5  # wall seconds; each pause is twice the one before
EXCHANGE_LOG = "exchange.jsonl"


class Ground(NamedTuple):
    """What a run stands on once venue, account and instruments are known."""

    venue: Venue
    venue_name: str
    clock: Clock
    account: str
    universe: Universe


@asynccontextmanager
async def open_ground(
    config: Config, *, exchange: dict[str, Any] | None, exchange_log: Path | None, seen_until: int,
    on_end: Callable[[str], None], tell: Tell, faults: FaultPlan | None = None, wall: Clock | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> AsyncIterator[Ground]:  # fmt: skip
    """Open the venue for one run and close it at the end; `exchange` holds the addresses of one that runs already.

    `seen_until`, `exchange_log`, `on_end` and `faults` concern the embedded exchange, see `embedded`. `wall` is this
    machine's time; `on_step` is called after each step that may take long. Raises VenueUnavailable, AccessDenied,
    DataError or ConfigError.
    """
    symbols, wall = config.app.symbols, wall or WallClock()
    async with AsyncExitStack() as stack:
        clock: Clock
        if exchange is not None:
            name, address = "exchange", exchange["kite"]
            time_ = exchange["clock"]
            clock = MarketClock(origin=time_["market"], anchor=time_["monotonic"], speed=time_["speed"], wall=wall)
        elif config.venue.name == "embedded":
            name, log = "embedded", exchange_log or config.app.state_dir / EXCHANGE_LOG
            addresses, clock = await stack.enter_async_context(
                embedded(
                    config,
                    symbols=symbols,
                    seen_until=seen_until,
                    log=log,
                    on_end=on_end,
                    faults=faults,
                    tell=tell,
                    wall=wall,
                )
            )
            address = addresses.render()["kite"]
            tell("exchange_opened", rest=addresses.rest, ticker=addresses.ticker, speed=clock.speed, log=str(log))
        else:
            name, clock, kite = "kite", wall, config.kite
            address = {
                "rest": kite.rest,
                "ticker": kite.ticker,
                "api_key": kite.api_key.get_secret_value(),
                "access_token": kite.access_token.get_secret_value(),
            }
        venue = await stack.enter_async_context(
            KiteVenue(
                rest=address["rest"],
                ticker=address["ticker"],
                api_key=address["api_key"],
                access_token=address["access_token"],
                clock=clock,
                mode=config.kite.mode,
                silent_after_s=config.feed.silent_after_s,
            )
        )
        broker = venue.broker
        account = await told(broker.login, failed="login_failed", gave_up=SILENT, clock=clock, tell=tell)
        on_step()
        if config.app.mode == "live" and account != config.kite.account_id:
            raise ConfigError(f"kite.account_id is {config.kite.account_id}, but the keys are of account {account}")
        listed = await told(
            lambda: broker.instruments(symbols), failed="instruments_not_read", gave_up=SILENT, clock=clock, tell=tell
        )
        universe = Universe(listed)
        on_step()
        yield Ground(venue=venue, venue_name=name, clock=clock, account=account, universe=universe)


async def told(ask: Callable[[], Awaitable[Told]], *, failed: str, gave_up: str, clock: Clock, tell: Tell) -> Told:
    """Return what the venue says at the start, asking up to `TRIES` times; each failure is said as the event `failed`.

    Raises VenueUnavailable, which begins with `gave_up`, after the last; whatever is no LinkLost passes through.
    """
    # A daemon that was killed starts while the venue still counts the requests of the one before; a refusal for their
    # rate, or a line that breaks once, must not end it again.
    for attempt in range(1, TRIES + 1):
        try:
            return await ask()
        except LinkLost as error:
            if attempt == TRIES:
                raise VenueUnavailable(f"{gave_up}: {error}") from error
            tell(failed, level="warning", attempt=attempt, reason=str(error))
            await clock.sleep(FIRST_PAUSE_S * 2.0 ** (attempt - 1))
    raise AssertionError("the loop above returns or raises")
