"""The benchmark of a burst: all symbols close a bar at one instant; it times the last signal and the last order.

Daemon and venue are two processes over a real socket. The rivals are scripts: pandas indicators for one symbol after
the other, in threads and in processes, timed up to the last signal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tradebot.bench.burst.daemon import NAME, BurstRequest, BurstResult, serve_bursts
from tradebot.bench.daemon.measured_daemon import DaemonSite, WorkerCount
from tradebot.bench.measuring.process import failures_as_errors, last_output_line, piped_process
from tradebot.bench.measuring.session import clock_in_session
from tradebot.bench.rivals.burst import MEASURED_SYMBOLS, SYMBOLS_AT_ONCE, PandasScript
from tradebot.bench.rivals.script_pools import open_pools
from tradebot.bench.venue.order_server import OrderCounter, OrdersDue
from tradebot.bench.venue.venue import open_venue
from tradebot.clock import Clock
from tradebot.domain.message import Message

START_S = 120.0
FEW_FIRE, ALL_FIRE = 50, 1  # one symbol in this many fires
LIMITS_MS = {50: 1.5, 500: 3.0, 5_000: 10.0}  # close to last signal, p99
STALL_LIMIT_MS = 5.0


class BurstLoad(Message, frozen=True):
    """What to measure, per number of symbols: `bursts` where one symbol in fifty fires, and `full` where all fire."""

    symbols: tuple[int, ...]
    bursts: int = 100
    full: int = 5
    repeats: int = 3  # of the scripts
    workers: WorkerCount = "auto"


def measure_bursts(load: BurstLoad, *, clock: Clock, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the benchmark and return its figures as JSON values. Raises TradebotError when a process of it fails."""
    rows: list[dict[str, Any]] = []
    with failures_as_errors(), open_pools() as pools:
        ways = dict(zip(SYMBOLS_AT_ONCE, (None, *pools), strict=True))
        for count in load.symbols:
            progress(f"{count:,} symbols")
            rows += _at(load, count, ways, clock)
    asked = {"symbols": list(load.symbols), "bursts": load.bursts, "full": load.full, "workers": load.workers}
    return {"bench": "burst", "asked": asked, "rows": rows}


def _at(load: BurstLoad, count: int, pools: dict[str, Executor | None], clock: Clock) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tradebot-bench-", ignore_cleanup_errors=True)))
        wire = stack.enter_context(open_venue(OrderCounter()))
        site = DaemonSite(NAME, count, wire.addresses[0], clock_in_session(clock), folder)
        # The daemon has children of its own and ends by itself when the pipe closes.
        pipe = stack.enter_context(piped_process(partial(serve_bursts, site, load.workers), grace_s=5.0))
        if not pipe.poll(START_S):
            raise TimeoutError(f"the daemon did not start within {START_S:g} s: {last_output_line(site.log_path)}")
        workers, total, number = int(pipe.recv()), 0, 0
        script = PandasScript(count)
        for pool in pools.values():
            script.time_symbols(pool, clock)  # the first run starts the processes
        taken: dict[str, list[float]] = {name: [] for name in pools}
        for one_in, bursts in ((FEW_FIRE, load.bursts), (ALL_FIRE, load.full)):
            hits: list[tuple[BurstResult, int]] = []
            missing = 0
            for turn in range(bursts + bursts % 2):  # entries and exits alternate
                pipe.send(BurstRequest(number=number, one_in=one_in))
                hit: BurstResult = pipe.recv()
                number, total = number + 1, total + hit.orders
                came, last = wire.ask_venue(OrdersDue(total=total, within_s=5.0))
                missing, total = missing + total - came, came
                hits.append((hit, last))
                if one_in == FEW_FIRE and turn % max(1, bursts // load.repeats) == 0:
                    for name, pool in pools.items():
                        taken[name].append(script.time_symbols(pool, clock))
            yield _row(count, workers, one_in, hits, missing)
        for name, seconds in taken.items():
            yield _script_row(count, name, seconds)


def _row(
    count: int, workers: int, one_in: int, hits: Sequence[tuple[BurstResult, int]], missing: int
) -> dict[str, Any]:
    signals = np.array([hit.signalled_at - hit.closed_at for hit, _ in hits]) / 1e6
    orders = np.array([last - hit.closed_at for hit, last in hits]) / 1e6
    return {
        "symbols": count,
        "rival": "tradebot",
        "fired": round(median(hit.signals for hit, _ in hits)),
        "n": len(hits),
        **{f"signal_{name}_ms": value for name, value in _ranks(signals).items()},
        **{f"order_{name}_ms": value for name, value in _ranks(orders).items()},
        "stall_ms": max(hit.stall_ns for hit, _ in hits) / 1e6,
        "missing": missing,
        "how": ("all fire" if one_in == ALL_FIRE else f"one in {one_in} fires") + f", workers: {workers}",
    }


def _script_row(count: int, name: str, seconds: Sequence[float]) -> dict[str, Any]:
    blank = dict.fromkeys(("order_p50_ms", "order_p99_ms", "order_max_ms", "stall_ms", "missing"))
    scaled = (f"{SYMBOLS_AT_ONCE[name]} of them, " if SYMBOLS_AT_ONCE[name] > 1 else "") + (
        f"measured on {MEASURED_SYMBOLS} symbols and scaled" if count > MEASURED_SYMBOLS else "measured"
    )
    return {
        "symbols": count,
        "rival": name,
        "fired": None,
        "n": len(seconds),
        "signal_p50_ms": median(seconds) * 1e3,
        "signal_p99_ms": None,
        "signal_max_ms": max(seconds) * 1e3,
        **blank,
        "how": scaled,
    }


def _ranks(values: Any) -> dict[str, float]:
    p50, p99 = np.percentile(values, (50, 99), method="inverted_cdf")  # nearest rank, so each is a measured value
    return {"p50": float(p50), "p99": float(p99), "max": float(values.max())}


def burst_verdicts(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `{"ok": ..., "text": ...}` for each promise on a burst, and the comparison with scripts."""
    found = []
    rows = result["rows"]
    ours = [row for row in rows if row["rival"] == "tradebot"]
    missing = sum(row["missing"] for row in ours)
    found.append({"ok": not missing, "text": f"{missing:,} orders did not come" if missing else "every order came"})
    for row in ours:
        limit = LIMITS_MS.get(row["symbols"])
        text = (
            f"{row['symbols']:,} symbols, {row['how']}: the last signal after {row['signal_p50_ms']:.2f} ms "
            f"(p99 {row['signal_p99_ms']:.2f}), the last order after {row['order_p50_ms']:.1f} ms, the loop stands "
            f"still for {row['stall_ms']:.1f} ms at most"
        )
        is_kept = row["stall_ms"] <= STALL_LIMIT_MS
        if limit is not None and not row["how"].startswith("all"):
            is_kept &= row["signal_p99_ms"] <= limit
            text += f"; the limits are {limit:g} ms (p99) and {STALL_LIMIT_MS:g} ms"
        found.append({"ok": is_kept, "text": text})
    for count in result["asked"]["symbols"]:
        best = next(row for row in ours if row["symbols"] == count)["signal_p50_ms"]
        scripts = {
            row["rival"]: row["signal_p50_ms"]
            for row in rows
            if row["symbols"] == count and row["rival"] in SYMBOLS_AT_ONCE
        }
        said = ", ".join(f"{name} {ms:,.0f} ms ({ms / best:,.0f}x)" for name, ms in scripts.items())
        found.append({"ok": True, "text": f"a script with {count:,} symbols: {said}"})
    return found
