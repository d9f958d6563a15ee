"""The vital signs of a run for `status`: age, earlier runs, newest bar and signal, clock, login, log and store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

from tradebot.clock import SECOND, Clock, VenueClock
from tradebot.journal.recovery import RecoveredState
from tradebot.markets.market import HOME_MARKET, Market
from tradebot.store.outbox import Outbox
from tradebot.trading.engine import Engine


class RunVitals:
    """Reads the vital signs of the run at one moment, without a call to the disk or the venue.

    `lines_dropped` returns how many lines of the log were lost. `login_ends` is the time of the market's day (HH:MM) at
    which a login ends. `login_fields` returns what is known of a login of ours.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        engine: Engine,
        recovery: RecoveredState,
        outbox: Outbox | None,
        lines_dropped: Callable[[], int],
        login_ends: str = "",
        market: Market = HOME_MARKET,
        login_fields: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._clock, self._engine, self._recovery, self._outbox = clock, engine, recovery, outbox
        self._lines_dropped = lines_dropped
        self._began, self._held_since = clock.monotonic_ns(), clock.market_ns()
        self._login_fields = login_fields
        self._login_ends = next_time_of_day(login_ends, self._held_since, market) if login_ends else None

    def read_vitals(self) -> dict[str, Any]:
        """Return the vital signs as JSON values. Times are market ns, None where there is none yet or it is not known.

        `held_back` counts the symbols that give no signals, because bars of theirs are being repaired.
        For the login it is known since when this run has it, but not when it was issued. `ends_at` is its latest end.
        `clock_offset_s` is None where the venue uses this machine's clock, as a simulated exchange does.
        """
        clock, decided, outbox = self._clock, self._engine.signal_stage, self._outbox
        return {
            "uptime_s": round((clock.monotonic_ns() - self._began) / SECOND, 1),
            "runs_before": len(self._recovery.runs),
            "cut_off_before": len(self._recovery.crashed_runs),
            "last_bar": decided.last_bar_at or None,
            "last_signal": decided.last_signal_at or None,
            "held_back": len(decided.held_back),
            "clock_offset_s": round(clock.wall_lead_ns / SECOND, 3) if isinstance(clock, VenueClock) else None,
            "login": {"issued_at": None, "held_since": self._held_since, "ends_at": self._login_ends}
            | self._login_fields(),
            "log_lines_dropped": self._lines_dropped(),
            "store": None
            if outbox is None
            else {"fed": outbox.fed_seq, "behind": outbox.rows_behind, "trouble": outbox.trouble},
        }


def next_time_of_day(text: str, after: int, market: Market) -> int:
    """Return the first market ns later than `after` (market ns) at which the market's clock shows `text` (HH:MM)."""
    day, at = market.date_of(after), time.fromisoformat(text)
    today = market.to_ns(day, at)
    return today if today > after else market.to_ns(day + timedelta(days=1), at)
