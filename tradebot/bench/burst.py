"""The benchmark of a burst: all symbols close a bar at one instant; when is the last signal out, when the last order.

Daemon and venue are two processes over a real socket. Beside it the ways of a script: indicators by pandas, symbol by
symbol, over threads and over processes, up to its last signal.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from tradebot.bench import burst_daemon, burst_venue, eleven
from tradebot.bench.burst_daemon import Crew, Hit, Shot
from tradebot.bench.orders import in_the_session
from tradebot.clock import SECOND, Clock
from tradebot.domain.message import Message
from tradebot.errors import TradebotError

START_S = 120.0
FEW, ALL = 50, 1  # one symbol in so many fires
SCRIPTED = 50  # symbols measured of a script's ways, whose cost grows with every symbol
HANDS = 10  # threads, or processes, of a script
SCRIPTS = {"pandas": 1, "pandas, threads": HANDS, "pandas, processes": HANDS}
LIMITS_MS = {50: 1.5, 500: 3.0, 5_000: 10.0}  # close to last signal, p99
STALL_LIMIT_MS = 5.0


class Load(Message, frozen=True):
    """What to measure: `bursts` where one symbol in fifty fires and `full` where all do, at each number of symbols."""

    symbols: tuple[int, ...]
    bursts: int = 100
    full: int = 5
    repeats: int = 3  # of the script's ways
    workers: Crew = "auto"


def measure(load: Load, *, clock: Clock, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the benchmark and return its figures as JSON values. Raises TradebotError when a process of it fails."""
    rows: list[dict[str, Any]] = []
    try:
        with ExitStack() as stack:
            context = multiprocessing.get_context("spawn")
            pools: dict[str, Executor | None] = {
                "pandas": None,
                "pandas, threads": stack.enter_context(ThreadPoolExecutor(HANDS)),
                "pandas, processes": stack.enter_context(ProcessPoolExecutor(HANDS, mp_context=context)),
            }
            for count in load.symbols:
                progress(f"{count:,} symbols")
                rows += _at(load, count, pools, clock)
    except (TimeoutError, EOFError, BrokenPipeError) as error:
        raise TradebotError(f"a process of the benchmark failed: {str(error) or 'it ended early'}") from error
    asked = {"symbols": list(load.symbols), "bursts": load.bursts, "full": load.full, "workers": load.workers}
    return {"bench": "burst", "asked": asked, "rows": rows}


def _at(load: Load, count: int, pools: dict[str, Executor | None], clock: Clock) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tradebot-bench-", ignore_cleanup_errors=True)))
        wire = stack.enter_context(burst_venue.running())
        daemon = partial(
            burst_daemon.serve,
            symbols=count,
            workers=load.workers,
            rest=wire.rest,
            origin=in_the_session(clock),
            anchor=clock.monotonic(),
            folder=folder,
        )
        pipe = stack.enter_context(_daemon(daemon))
        if not pipe.poll(START_S):
            raise TimeoutError(f"the daemon did not start within {START_S:g} s: {_last(folder)}")
        workers, total, number = int(pipe.recv()), 0, 0
        script = _Script(count)
        for name, pool in pools.items():
            script.run(name, pool, clock)  # the first time starts the processes
        taken: dict[str, list[float]] = {name: [] for name in pools}
        for one_in, bursts in ((FEW, load.bursts), (ALL, load.full)):
            hits: list[tuple[Hit, int]] = []
            missing = 0
            for turn in range(bursts + bursts % 2):  # entries and exits by turns
                pipe.send(Shot(number=number, one_in=one_in))
                hit: Hit = pipe.recv()
                number, total = number + 1, total + hit.orders
                came, last = wire.orders(total, within_s=5.0)
                missing, total = missing + total - came, came
                hits.append((hit, last))
                if one_in == FEW and turn % max(1, bursts // load.repeats) == 0:
                    for name, pool in pools.items():
                        taken[name].append(script.run(name, pool, clock))
            yield _row(count, workers, one_in, hits, missing)
        for name, seconds in taken.items():
            yield _script_row(count, name, seconds)


def _row(count: int, workers: int, one_in: int, hits: Sequence[tuple[Hit, int]], missing: int) -> dict[str, Any]:
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
        "how": ("all fire" if one_in == ALL else f"one in {one_in} fires") + f", workers: {workers}",
    }


def _script_row(count: int, name: str, seconds: Sequence[float]) -> dict[str, Any]:
    blank = dict.fromkeys(("order_p50_ms", "order_p99_ms", "order_max_ms", "stall_ms", "missing"))
    scaled = (f"{SCRIPTS[name]} of them, " if SCRIPTS[name] > 1 else "") + (
        f"measured on {SCRIPTED} symbols and scaled" if count > SCRIPTED else "measured"
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
    p50, p99 = np.percentile(values, (50, 99), method="inverted_cdf")  # nearest rank: values that were measured
    return {"p50": float(p50), "p99": float(p99), "max": float(values.max())}


class _Script:
    """What a script does at a close: a frame for each symbol, its indicators, and whether to act."""

    def __init__(self, count: int) -> None:
        self.count, self.measured = count, min(count, SCRIPTED)
        bars, _ = eleven.histories(self.measured, 500)
        names = ("open", "high", "low", "close", "volume")
        self.frames = [pd.DataFrame(dict(zip(names, one, strict=True))) for one in bars]

    def run(self, name: str, pool: Executor | None, clock: Clock) -> float:
        begin = clock.monotonic()
        found = list((map if pool is None else pool.map)(_signal, self.frames))
        assert len(found) == self.measured, name
        return (clock.monotonic() - begin) / SECOND * self.count / self.measured


def _signal(frame: pd.DataFrame) -> bool:
    return eleven.by_pandas(frame)[0] > 0


@contextmanager
def _daemon(work: Callable[..., None]) -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs,))  # no `daemon`: it has children of its own
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join(5.0)
        process.kill()
        process.join()


def _last(folder: Path) -> str:
    lines = (folder / f"{burst_daemon.NAME}.log").read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1] if lines else "its log is empty"


def verdicts(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `{"ok": ..., "text": ...}` for each promise of a burst that the figures keep or break."""
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
            row["rival"]: row["signal_p50_ms"] for row in rows if row["symbols"] == count and row["rival"] in SCRIPTS
        }
        said = ", ".join(f"{name} {ms:,.0f} ms ({ms / best:,.0f}x)" for name, ms in scripts.items())
        found.append({"ok": True, "text": f"a script with {count:,} symbols: {said}"})
    return found
