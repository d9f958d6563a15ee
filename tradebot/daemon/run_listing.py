"""What the operator can list of a run, put together from the run's parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tradebot.config import Config
from tradebot.config.desk_settings import gate_limits
from tradebot.control.account_lists import AccountLists, RunParts
from tradebot.control.control_apis import RunLists
from tradebot.control.journal_lists import JournalLists
from tradebot.control.readiness import ready_parts
from tradebot.daemon.venue.venue_session import VenueSession
from tradebot.journal.writer import Journal
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.desk.account_view import AccountView


def build_run_lists(
    config: Config,
    venue_session: VenueSession,
    *,
    account: AccountView,
    specs: Sequence[StrategySpec],
    run_id: str,
    journal: Journal,
    killed: Callable[[], str],
    snapshot: Callable[[], dict[str, Any]],
) -> RunLists:
    """Return the lists of a run. `killed` returns what the HALT file says, `snapshot` the status."""
    universe = venue_session.universe
    parts = RunParts(
        account=account,
        universe=universe,
        strategies=[(spec.name, spec.symbols) for spec in specs],
        limits=gate_limits(config, speed=venue_session.clock.speed),
        killed=killed,
        status_snapshot=snapshot,
    )
    rows = JournalLists(journal.path, run_id=run_id, universe=universe, interval_ns=config.bars.interval_ns)
    return RunLists(AccountLists(parts), rows, universe, partial(ready_parts, parts, journal))
