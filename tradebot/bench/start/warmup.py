"""The benchmark of a warm start: the whole daemon before the open and in mid-day, over a history of the day before.

The venue is invented and inside the process: it allows as many requests for past bars as a real one does, and takes as
long to answer. All else is the daemon's own: recovery, history, analysis with its worker, journal.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvloop

from tradebot.bench.daemon.measured_daemon import DaemonSite, bench_config, running_daemon
from tradebot.bench.measuring.process import failures_as_errors, piped_process, receive_within
from tradebot.bench.start.warmup_venue import MarketFeed, WarmupBroker, past_bars
from tradebot.bench.venue import frames
from tradebot.clock import SECOND, Clock, MarketClock, WallClock, parse_iso
from tradebot.config.sections import AnalysisSection
from tradebot.domain.message import Message
from tradebot.history.history import open_history
from tradebot.journal.reader import read_rows
from tradebot.journal.rows import WarmupJoin
from tradebot.journal.schema import FILE_NAME
from tradebot.markets.calendar import ist_to_ns
from tradebot.ops.events.analysis import WarmupCompleted, WarmupStarted
from tradebot.ops.events.run import TradingStarted
from tradebot.strategies.loading import load_strategy

DAY = date(2025, 6, 5)  # a Thursday after three whole sessions
MOMENTS = {"before the open": time(8, 30), "mid-day": time(11, 0, 30)}
WARMUP_BARS = 200
LIMIT_S = 5.0  # to READY, and to warm where nothing is asked for
HOLD_WITHIN_S, SPARE_S = 60.0, 60.0
POLL_S = 0.02


class WarmupLoad(Message, frozen=True):
    """What to measure: `symbols`, of which the last `guarded` have positions; answers take `latency_s`."""

    symbols: int
    guarded: int = 5
    per_second: int = 3
    latency_s: float = 0.2


def measure_warmups(load: WarmupLoad, *, clock: Clock, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run the benchmark and return its figures as JSON values. Raises TradebotError when a process of it fails."""
    rows = []
    for moment in MOMENTS:
        progress(f"{load.symbols:,} symbols {moment}")
        with TemporaryDirectory(prefix="tradebot-bench-", ignore_cleanup_errors=True) as folder, failures_as_errors():
            _fill_history(load, Path(folder) / "state")
            _serve_phase(load, Path(folder), moment, "hold", HOLD_WITHIN_S)
            within_s = load.symbols / load.per_second + SPARE_S
            rows.append({"moment": moment} | _serve_phase(load, Path(folder), moment, "warm", within_s))
    return {"bench": "warmup", "asked": {"symbols": load.symbols, "per_second": load.per_second}, "rows": rows}


def warmup_verdicts(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `{"ok": ..., "text": ...}` for READY, for a start without requests, and for one at the venue's rate."""
    found = []
    for row in result["rows"]:
        expected = row["requests"] / result["asked"]["per_second"]
        text = (
            f"{row['moment']}, {result['asked']['symbols']:,} symbols: READY after {row['ready_s']:.2f} s, all warm "
            f"after {row['warm_s']:.1f} s; {row['requests']} requests, which take {expected:.1f} s at the venue's rate"
        )
        if row["guarded_s"] is not None:
            text += f"; what is guarded was warm after {row['guarded_s']:.2f} s"
        found.append({"ok": row["ready_s"] <= LIMIT_S and row["warm_s"] <= expected + LIMIT_S, "text": text})
    return found


def _fill_history(load: WarmupLoad, state: Path) -> None:
    state.mkdir()
    with open_history(state, writes=True) as history, history.transaction():
        for instrument in frames.bench_universe(load.symbols):
            series = past_bars(instrument, until=ist_to_ns(DAY, time(0)))
            history.write_bars(instrument, series, source="bench")


def _serve_phase(load: WarmupLoad, folder: Path, moment: str, phase: str, within_s: float) -> dict[str, Any]:
    began = WallClock().wall_ns()  # the start of the process counts
    with piped_process(partial(_serve, load, folder, moment, phase, began), grace_s=10.0) as pipe:
        found: dict[str, Any] = receive_within(pipe, within_s=within_s, late=f"the phase {phase} did not end")
    return found


def _serve(load: WarmupLoad, folder: Path, moment: str, phase: str, began: int, pipe: Connection) -> None:
    # Before the open no position can be opened: those of the day before are opened at its noon.
    is_early = phase == "hold" and MOMENTS[moment] < time(9, 15)
    at = ist_to_ns(date(2025, 6, 4), time(12)) if is_early else ist_to_ns(DAY, MOMENTS[moment])
    if phase == "hold" and not is_early:
        at = ist_to_ns(DAY, time(10))
    pipe.send(uvloop.run(_run(load, folder, at, phase)) or _figures(load, folder, began))


async def _run(load: WarmupLoad, folder: Path, at: int, phase: str) -> dict[str, Any] | None:
    clock = MarketClock(starts_at=at, anchor_mono=WallClock().monotonic_ns(), speed=1.0)
    site = DaemonSite(name=phase, symbols=load.symbols, rest="http://127.0.0.1:9", clock=clock, folder=folder)
    guarded, broker = _guarded(load), site.make_broker(WarmupBroker)
    assert isinstance(broker, WarmupBroker), "it makes what it is asked for"
    broker.set_pace(load.per_second, load.latency_s, held=guarded if phase == "warm" else [])
    bars = WARMUP_BARS if phase == "warm" else 0
    config = bench_config(site, AnalysisSection(workers=1, warmup_bars=bars), store=False)
    config = config.model_copy(update={"app": config.app.model_copy(update={"state_dir": folder / "state"})})
    feed = MarketFeed(load.symbols, clock)
    async with running_daemon(site, config, broker, lambda _: feed, [load_strategy("ema_cross")]) as (daemon, journal):
        if phase == "hold":
            await daemon.engine.quotes_ready.wait()
            await daemon.engine.warmup_done.wait()
            broker.enter_positions(guarded)
            while len(daemon.desk.account.open_symbols) < len(guarded):
                await clock.sleep(POLL_S)
            return {"held": guarded}
        while not {WarmupCompleted.name, TradingStarted.name} <= _logged(site.log_path).keys():
            await clock.sleep(POLL_S * 10)
        await journal.wait_durable()
    return None


def _guarded(load: WarmupLoad) -> list[str]:
    # The last ones, which without positions would come last.
    return [frames.symbol_name(i) for i in range(load.symbols - load.guarded, load.symbols)]


def _logged(log: Path) -> dict[str, dict[str, Any]]:
    # The newest line of each event.
    lines = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line.startswith("{"))
    return {line["event"]: line for line in lines}


def _figures(load: WarmupLoad, folder: Path, began: int) -> dict[str, Any]:
    logged, guarded = _logged(folder / "warm.log"), set(_guarded(load))
    completed, started = logged[WarmupCompleted.name], logged[WarmupStarted.name]
    order, guarded_at = list[str](), None
    for row in read_rows(folder / "state" / FILE_NAME, kinds=("joined",), run="warm"):
        assert isinstance(row.message, WarmupJoin), "rows of this kind hold joins"
        order += row.message.symbols
        if guarded_at is None and guarded <= set(order):
            guarded_at = row.wall_at
    return {
        "from_history": started["from_history"],
        "requests": completed["requests"],
        "ready_s": _seconds(logged[TradingStarted.name], began),
        "guarded_s": None if guarded_at is None else round((guarded_at - began) / SECOND, 3),
        "warm_s": _seconds(completed, began),
        "cold": completed["cold"],
        "guarded_came_first": set(order[: len(guarded)]) == guarded if order else None,
    }


def _seconds(line: dict[str, Any], began: int) -> float:
    return round((parse_iso(line["timestamp"]) - began) / SECOND, 3)
