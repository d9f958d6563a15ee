"""One run of the tick stream benchmark: the request to a client, its timer, and its result."""

from __future__ import annotations

from time import process_time

from tradebot.clock import SECOND, WallClock
from tradebot.domain.message import Message
from tradebot.ops.latency import Latencies

LAG_PROBE_S = 0.005  # how often the lag of the loop is measured
QUEUE_FRAMES = 256  # frames queued in the client before it stops reading


class StreamRequest(Message, frozen=True):
    """A run: `client` reads `ticks` ticks from `address` in frames of `size`; market time begins at `origin`, ns."""

    client: str
    address: str
    symbols: int
    size: int
    ticks: int
    origin: int

    def tick_url(self, protocol: str) -> str:
        """Return the address that sends the ticks in `protocol`, "binary" or "json"."""
        return f"{self.address}/{protocol}?size={self.size}&ticks={self.ticks}"


class StreamResult(Message, frozen=True):
    """The result of a run: `ticks` received, and wall and processor seconds from the first of them to the last.

    `lag_p99_us` and `lag_max_us` say how late the event loop woke; 0 where not measured.
    """

    ticks: int
    elapsed_s: float
    cpu_s: float
    lag_p99_us: float = 0.0
    lag_max_us: float = 0.0


class RunTimer:
    """Measures the times of one run."""

    def __init__(self) -> None:
        self.clock, self.latencies = WallClock(), Latencies()
        self._begun: tuple[int, float] | None = None

    def mark_first_tick(self) -> None:
        """Start the clock at the first tick; later calls do nothing."""
        if self._begun is None:
            self._begun = self.clock.monotonic_ns(), process_time()

    def mark_last_tick(self, ticks: int) -> StreamResult:
        """Stop the clock after the last of `ticks` ticks and return the result."""
        assert self._begun is not None, "no tick came"
        elapsed, cpu = (self.clock.monotonic_ns() - self._begun[0]) / SECOND, process_time() - self._begun[1]
        lag = self.latencies.percentile_summary().get("lag", {"p99_us": 0.0, "max_us": 0.0})
        return StreamResult(
            ticks=ticks, elapsed_s=elapsed, cpu_s=cpu, lag_p99_us=lag["p99_us"], lag_max_us=lag["max_us"]
        )

    async def measure_loop_lag(self) -> None:
        """Measure how late the loop wakes; never returns."""
        while True:
            due = self.clock.monotonic_ns() + int(LAG_PROBE_S * SECOND)
            await self.clock.sleep(LAG_PROBE_S)
            self.latencies.record_duration("lag", max(self.clock.monotonic_ns() - due, 0))
