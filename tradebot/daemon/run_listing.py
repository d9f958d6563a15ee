"""What the operator can list of a run, put together from the run's parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from tradebot.config import Config
from tradebot.control.account_lists import AccountLists, RunParts
from tradebot.control.control_apis import RunLists
from tradebot.control.journal_lists import JournalLists
from tradebot.control.readiness import ready_parts
from tradebot.daemon.venue.venue_session import VenueSession
from tradebot.journal.writer import Journal
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.desk.account_view import AccountView


class RunReads(NamedTuple):
    """What the lists read while the run goes on; `killed` returns what the HALT file says, `snapshot` the status."""

    account: AccountView
    specs: Sequence[StrategySpec]
    killed: Callable[[], str]
    snapshot: Callable[[], dict[str, Any]]


def build_run_lists(
    config: Config, venue_session: VenueSession, journal: Journal, reads: RunReads, *, run_id: str
) -> RunLists:
    """Return the lists of a run."""
    universe = venue_session.universe
    parts = RunParts(
        account=reads.account,
        universe=universe,
        strategies=[(spec.name, spec.symbols) for spec in reads.specs],
        killed=reads.killed,
        status_snapshot=reads.snapshot,
    )
    rows = JournalLists(journal.path, run_id=run_id, universe=universe, interval_ns=config.bars.interval_ns)
    return RunLists(AccountLists(parts), rows, universe, partial(ready_parts, parts, journal))
