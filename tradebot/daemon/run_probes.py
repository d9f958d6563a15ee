"""The parts of a run that the beats of the stages do not pass through, as probes for the watchdog."""

from __future__ import annotations

from tradebot.journal.writer import Journal
from tradebot.ops.liveness import Probe
from tradebot.trading.engine import Engine

# Wall seconds that a part may need for one step under its own time limits. A part that takes longer is stuck, and the
# watchdog then stops its beats to the supervisor.
WRITER_S, REQUEST_S, BOOKS_S = 10.0, 60.0, 90.0


def run_probes(journal: Journal, engine: Engine, *, idle_every_s: float) -> dict[str, Probe]:
    """Return part -> probe. `idle_every_s` is wall seconds between two polls of the account without an open order.

    Each probe returns a number that changes with every finished step, None while the part has nothing to do.
    """
    orders, reconciliation = engine.order_sender.queue, engine.reconciliation

    def written_row() -> int | None:
        queued, on_disk = journal.row_numbers
        return None if queued == on_disk else on_disk

    return {
        "journal": Probe(written_row, WRITER_S),
        "execution": Probe(lambda: orders.done_count if orders.pending_count else None, REQUEST_S),
        "reconciliation": Probe(lambda: reconciliation.poll_count, idle_every_s + BOOKS_S),
    }
