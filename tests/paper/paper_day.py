"""A whole daemon on paper: its venue is an exchange over real sockets, of which it reads the quotes alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tradebot.clock import Clock
from tradebot.config import Config
from tradebot.daemon.venue.paper_session import paper_venue
from tradebot.domain.instrument import Universe
from tradebot.journal.recovery import recover_state
from tradebot.journal.schema import FILE_NAME
from tradebot.ops.events.event import drop_event
from tradebot.paper.venue import PaperVenue
from tradebot.venues.adapter import VenueAccess, VenueAdapter


@asynccontextmanager
async def on_paper(
    adapter: VenueAdapter, route: VenueAccess, clock: Clock, config: Config
) -> AsyncIterator[PaperVenue]:
    """Open a paper account in place of a venue that takes orders."""
    known = recover_state(config.app.state_dir / FILE_NAME).accounts
    async with paper_venue(adapter, route, clock, config, known_accounts=known, tell=drop_event) as paper:
        account = await paper.broker.fetch_account_id()
        universe = Universe(await paper.broker.fetch_instruments(config.app.symbols))
        async with paper.open_account(account, universe):
            yield paper
