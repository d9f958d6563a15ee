"""The answer of `status` as a type: of a run and of a start, which has less to tell."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from tradebot.control.answers import HaltRow, ListedPosition


class SessionState(msgspec.Struct, frozen=True):
    """Whether the session is open, and when it closes."""

    is_open: bool
    closes_at: int | None


class FeedState(msgspec.Struct, frozen=True):
    """The age of the newest quote, and which sources are stale: source -> why."""

    age_s: float | None
    is_stale: bool
    down: dict[str, str]


class QueueDepth(msgspec.Struct, frozen=True):
    """How many wait in a queue now; the queue of the order sender has no more to tell."""

    now: int
    deepest: int | None = None
    size: int | None = None


class JournalState(msgspec.Struct, frozen=True):
    """The number of the last queued row and of the last row on disk."""

    queued: int
    on_disk: int


class StoreState(msgspec.Struct, frozen=True):
    """The last row that is in the tables, how many are not, and why they cannot be fed."""

    fed: int
    behind: int
    trouble: str


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state of a run. `paid` is paid less received, before charges; `resting_stops` stand at the venue."""

    mode: str
    run_id: str
    pid: int
    account: str
    venue: str
    symbols: tuple[str, ...]
    strategies: tuple[str, ...]
    uptime_s: float
    runs_before: int
    cut_off_before: int
    last_bar: int | None
    last_signal: int | None
    held_back: int
    clock_offset_s: float | None
    login: dict[str, Any]
    log_lines_dropped: int
    store: StoreState | None
    money: dict[str, Any]
    state: str
    market_time: int
    session: SessionState
    halted: bool
    halts: tuple[HaltRow, ...]
    feed: FeedState
    positions: tuple[ListedPosition, ...]
    orders: tuple[dict[str, Any], ...]
    resting_stops: tuple[dict[str, Any], ...]
    paid: Decimal
    day_profit: Decimal
    counts: dict[str, int]
    queues: dict[str, QueueDepth]
    journal: JournalState


class StartStatusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a start: what it waits for. Nothing is traded yet."""

    mode: str
    run_id: str
    pid: int
    venue: str
    symbols: tuple[str, ...]
    state: str
    login: dict[str, Any] | None
    halts: tuple[HaltRow, ...]
