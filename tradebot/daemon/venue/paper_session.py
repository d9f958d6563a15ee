"""The paper side of a run at a real venue: a paper account on its quotes, or the shadow of a live run."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager

from tradebot.clock import Clock
from tradebot.config import Config
from tradebot.daemon.venue.embedded_exchange import exchange_rules
from tradebot.domain.instrument import Universe
from tradebot.exchange.latency import latency_of_round_trip
from tradebot.ops.events.event import EventListener
from tradebot.paper.settings import PAPER_LOG, SHADOW_LOG, PaperSettings
from tradebot.paper.shadow_venue import ShadowVenue, open_shadow_venue
from tradebot.paper.venue import PaperVenue, open_paper_venue
from tradebot.venues.adapter import VenueAccess, VenueAdapter
from tradebot.venues.venue import Venue


def paper_venue(
    adapter: VenueAdapter,
    access: VenueAccess,
    clock: Clock,
    config: Config,
    *,
    known_accounts: Collection[str],
    tell: EventListener,
) -> AbstractAsyncContextManager[PaperVenue]:
    """Return a venue whose orders stay in this process: the real one is built without an order route.

    `known_accounts` are the accounts in the journal, whose names a new paper account does not take.
    """
    reading = adapter.build_streaming_reader(
        access, clock, config.venue_section(adapter), silent_after_s=config.feed.silent_after_s
    )
    return open_paper_venue(
        reading,
        clock,
        paper_settings(adapter, config, tell, log_name=PAPER_LOG),
        reply_to=adapter.refusal_reply_maker(),
        known_accounts=known_accounts,
    )


def shadow_venue(
    live: Venue,
    adapter: VenueAdapter,
    clock: Clock,
    config: Config,
    *,
    live_account: str,
    universe: Universe,
    tell: EventListener,
) -> AbstractAsyncContextManager[ShadowVenue]:
    """Return a live venue whose orders are repeated on paper; what goes to the venue is not changed by it."""
    settings = paper_settings(adapter, config, tell, log_name=SHADOW_LOG)
    return open_shadow_venue(live, clock, settings, live_account=live_account, universe=universe)


def paper_settings(adapter: VenueAdapter, config: Config, tell: EventListener, *, log_name: str) -> PaperSettings:
    """Return the settings of a paper exchange in place of the venue of `adapter`."""
    return PaperSettings(
        cash=config.paper.cash,
        log=config.app.state_dir / log_name,
        latency=latency_of_round_trip(config.paper.latency_ms),
        rules=exchange_rules(adapter.venue_rules),
        has_depth=adapter.has_depth(config.venue_section(adapter)),
        tell=tell,
    )
