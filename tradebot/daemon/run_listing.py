"""What the operator can list of a run, put together from the run's parts."""

from __future__ import annotations

from functools import partial

from tradebot.control.account_lists import AccountLists
from tradebot.control.control_apis import RunLists
from tradebot.control.journal_lists import JournalLists
from tradebot.control.readiness import ready_parts
from tradebot.control.run_parts import RunParts
from tradebot.journal.writer import Journal


def build_run_lists(parts: RunParts, journal: Journal, *, run_id: str, interval_ns: int) -> RunLists:
    """Return the lists of a run whose bars are `interval_ns` long."""
    rows = JournalLists(journal.path, run_id=run_id, universe=parts.universe, interval_ns=interval_ns)
    return RunLists(AccountLists(parts), rows, parts.universe, partial(ready_parts, parts, journal))
