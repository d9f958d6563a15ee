"""The parts of a run that status, lists and readiness are read from, and its state as all of them tell it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tradebot.clock import SECOND, Clock
from tradebot.domain.instrument import Universe
from tradebot.trading.desk.account_view import AccountView


class RunReading(NamedTuple):
    """What a run does at one moment, with its session and its feed as JSON values of the status."""

    name: str
    market_time: int
    session: dict[str, Any]
    feed: dict[str, Any]


class RunParts(NamedTuple):
    """What the operator's answers are read from.

    `strategies` are pairs (name, symbols it may trade, empty for all). `killed` returns the reason in the HALT file, ""
    without it, and `is_trading` whether the engine runs. `vitals` returns the state of the process, `money` counts and
    money as in the status.
    """

    account: AccountView
    universe: Universe
    clock: Clock
    strategies: Sequence[tuple[str, tuple[str, ...]]]
    killed: Callable[[], str]
    is_trading: Callable[[], bool]
    vitals: Callable[[], dict[str, Any]]
    money: Callable[[], dict[str, Any]]

    def read_state(self) -> RunReading:
        """Return the state of now, without a call to the disk."""
        conditions, newest, now = self.account.conditions, self.account.newest_quote_mono, self.clock.market_ns()
        session = conditions.times.session
        return RunReading(
            "stopping" if conditions.is_stopping else "trading" if self.is_trading() else "starting",
            now,
            {
                "is_open": session is not None and session.is_open(now),
                "closes_at": None if session is None else session.closes_at,
            },
            {
                "age_s": round((self.clock.monotonic_ns() - newest) / SECOND, 3) if newest else None,
                "is_stale": bool(conditions.links.stale_sources),
                "down": dict(conditions.links.stale_sources),
            },
        )
