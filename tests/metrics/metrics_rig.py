"""The metrics of a desk driven by hand; the stages around it are plain values in the hand of a test."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tradebot.clock import ManualClock
from tradebot.metrics.run_metrics import RunMetrics
from tradebot.metrics.run_sources import RunSources
from tradebot.ops.latency import Latencies
from tradebot.trading.desk.account_view import AccountView
from tradebot.trading.disk_monitor import DiskLevel
from tradebot.trading.queues import StageQueues

Labels = tuple[tuple[str, str], ...]


def scraped(text: bytes) -> dict[tuple[str, Labels], float]:
    """Return (name, labels) -> value for every sample of a scrape."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


class MetricsRig:
    """The metrics of a process; `attach` gives them a run over an account."""

    def __init__(self, *, needs_login: bool = False) -> None:
        self.clock = ManualClock(1_770_090_300 * 10**9)
        self.latencies = Latencies(capacity=64)
        self.lines_dropped, self.killed, self.login_state, self.is_trading = 0, "", "", True
        self.metrics = RunMetrics(
            version="9.9", mode="paper", clock=self.clock, lines_dropped=lambda: self.lines_dropped
        )
        self.counts = self.metrics.counts
        self.metrics.needs_login = lambda: needs_login
        self.queues = StageQueues(self.clock)
        self.pending = SimpleNamespace(pending_count=0)
        self.bars: Any = SimpleNamespace(
            quote_filter=SimpleNamespace(accepted_count=7, dropped_counts={"insane": 2}), closed_count=3
        )
        self.engine: Any = SimpleNamespace(
            queues=self.queues, frames_dropped={"short": 1, "torn": 2}, resubscribed_count=4,
            signal_stage=SimpleNamespace(held_back=("TCS",), last_bar_at=5 * 10**9),
            order_sender=SimpleNamespace(queue=self.pending),
        )  # fmt: skip
        self.journal: Any = SimpleNamespace(row_numbers=(12, 10), lag_ns=1_500_000_000)
        self.outbox: Any = SimpleNamespace(rows_behind=6, trouble="")
        space = SimpleNamespace(free_bytes=9_000, reserve_bytes=800, wal_bytes=70)
        self.disk: Any = SimpleNamespace(disk_space=space, level=DiskLevel.LOW)

    def attach(self, account: AccountView) -> None:
        """Give the metrics a run."""
        self.metrics.attach_run(
            RunSources(
                account=account, engine=self.engine, bars=self.bars, latencies=self.latencies, journal=self.journal,
                outbox=self.outbox, disk=self.disk, clock=self.clock, symbols=3, workers=lambda: 2,
                login_state=lambda: self.login_state, killed=lambda: self.killed, is_trading=lambda: self.is_trading,
                ended_runs=(5, 1),
            )
        )  # fmt: skip

    def read(self, name: str, **labels: str) -> float | None:
        """Scrape, and return the value of one sample, None where it is not there."""
        return scraped(self.metrics.render_text()).get((name, tuple(sorted(labels.items()))))
