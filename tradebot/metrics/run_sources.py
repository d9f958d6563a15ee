"""What the metrics of a run are read from at a scrape: the account view and the counters of the stages, read only."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tradebot.clock import Clock
from tradebot.journal.writer import Journal
from tradebot.ops.latency import Latencies
from tradebot.store.outbox import Outbox
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.disk_monitor import DiskMonitor
from tradebot.trading.engine import Engine


class RunSources(NamedTuple):
    """The parts of one run that its metrics are read from.

    `workers` returns how many worker processes run. `login_state` returns the state of our login by the login itself,
    "" for a run without one. `killed` returns the reason in the HALT file, "" without it. `is_trading` returns whether
    the engine runs. `ended_runs` is (earlier runs, those of them that were cut off).
    """

    account: AccountView
    engine: Engine
    bars: BarBuilder
    latencies: Latencies
    journal: Journal
    outbox: Outbox | None
    disk: DiskMonitor
    clock: Clock
    symbols: int
    workers: Callable[[], int]
    login_state: Callable[[], str]
    killed: Callable[[], str]
    is_trading: Callable[[], bool]
    ended_runs: tuple[int, int]
