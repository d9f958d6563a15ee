"""How a run fares besides its books: age, earlier runs, newest bar and signal, clock, log and store; for `status`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradebot.clock import SECOND, Clock, VenueClock
from tradebot.engine import Engine
from tradebot.journal.recovery import Recovery
from tradebot.store.outbox import Outbox


class Vitals:
    """Reads what there is to know at one moment; nothing is asked of a disk or of the venue.

    `lines_dropped` says how many lines of the log were lost.
    """

    def __init__(
        self, *, clock: Clock, engine: Engine, recovery: Recovery, outbox: Outbox | None,
        lines_dropped: Callable[[], int],
    ) -> None:  # fmt: skip
        self._clock, self._engine, self._recovery, self._outbox = clock, engine, recovery, outbox
        self._lines_dropped = lines_dropped
        self._began = clock.monotonic()

    def picture(self) -> dict[str, Any]:
        """Return JSON values. Times of bar and signal are market ns, None before the first of this run.

        `clock_offset_s` is None where the venue's time is this machine's own, as on a simulated exchange.
        """
        clock, engine, outbox = self._clock, self._engine, self._outbox
        return {
            "uptime_s": round((clock.monotonic() - self._began) / SECOND, 1),
            "runs_before": len(self._recovery.runs),
            "cut_off_before": len(self._recovery.cut_off),
            "last_bar": engine.last_bar or None,
            "last_signal": engine.last_signal or None,
            "clock_offset_s": round(clock.apart / SECOND, 3) if isinstance(clock, VenueClock) else None,
            "log_lines_dropped": self._lines_dropped(),
            "store": None
            if outbox is None
            else {"fed": outbox.fed, "behind": outbox.behind, "trouble": outbox.trouble},
        }
