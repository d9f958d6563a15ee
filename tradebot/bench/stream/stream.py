"""The benchmark of the tick stream: the ticks a second of one core from the socket to the bars, and their cost.

A server in its own process sends as fast as the client reads; the clients take turns in another process.
"""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import uvloop

from tradebot.bench.measuring.process import failures_as_errors, piped_process, receive_within
from tradebot.bench.rivals.stream import numpy_binary, plain_binary, plain_json, socket_binary, socket_json
from tradebot.bench.stream.client_run import RunTimer, StreamRequest, StreamResult
from tradebot.bench.stream.daemon import tradebot_binary, tradebot_json
from tradebot.bench.venue.flood import TickFlood
from tradebot.bench.venue.venue import open_venue
from tradebot.clock import SECOND, Clock
from tradebot.domain.message import Message

ORIGIN_AT = 1_790_000_000 * SECOND
RUN_WITHIN_S = 120.0
LIMIT_US = {"binary": 3.0, "json": 15.0}  # processor time per tick
STALL_LIMIT_MS = 5.0
SLOW_CLIENT = "plain"  # reads a tenth of the ticks, to shorten the benchmark
OURS = "tradebot, to bars"

# name -> protocol of the server -> client
CLIENTS = {
    "tradebot, to bars": {"binary": tradebot_binary, "json": tradebot_json},
    "plain": {"binary": plain_binary, "json": plain_json},
    "socket alone": {"binary": socket_binary, "json": socket_json},
    "numpy, no socket": {"binary": numpy_binary},
}


class StreamLoad(Message, frozen=True):
    """What to measure: `ticks` ticks over `symbols` symbols, in binary frames of all `sizes` and as JSON."""

    symbols: int
    ticks: int
    sizes: tuple[int, ...]
    turns: int


def measure_stream(load: StreamLoad, *, clock: Clock, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Run the benchmark and return its figures as JSON values; `progress` gets runs done and in all.

    Raises TradebotError when one of the two processes fails.
    """
    faces = [*(("binary", size) for size in load.sizes), ("json", 1)]
    runs = [(face, size, name) for face, size in faces for name in CLIENTS if face in CLIENTS[name]]
    found: dict[tuple[str, int, str], list[StreamResult]] = {run: [] for run in runs}
    with (
        failures_as_errors(),
        open_venue(TickFlood(load.symbols, origin=ORIGIN_AT)) as wire,
        piped_process(_serve) as pipe,
    ):
        for turn in range(load.turns):
            for number, (face, size, name) in enumerate(runs):
                progress(turn * len(runs) + number, load.turns * len(runs))
                ticks = load.ticks // (10 if name == SLOW_CLIENT or face == "json" else 1) // size * size
                ask = StreamRequest(
                    client=f"{name}/{face}",
                    address=wire.addresses[0],
                    symbols=load.symbols,
                    size=size,
                    ticks=max(ticks, size),
                    origin=ORIGIN_AT,
                )
                pipe.send(ask)
                found[face, size, name].append(
                    receive_within(pipe, within_s=RUN_WITHIN_S, late=f"{ask.client} did not end")
                )
    asked = {"symbols": load.symbols, "ticks": load.ticks, "sizes": list(load.sizes), "turns": load.turns}
    return {"bench": "ticks", "asked": asked, "rows": [_row(*run, costs) for run, costs in found.items()]}


def _serve(pipe: Connection) -> None:
    while True:
        try:
            ask: StreamRequest = pipe.recv()
        except EOFError:
            return
        name, _, face = ask.client.rpartition("/")
        pipe.send(uvloop.run(CLIENTS[name][face](ask, RunTimer())))


def _row(face: str, size: int, name: str, found: list[StreamResult]) -> dict[str, Any]:
    has_loop = found[0].lag_max_us > 0
    return {
        "face": face,
        "ticks_a_frame": size,
        "rival": "tradebot" if name == OURS else name,
        "ticks": sum(f.ticks for f in found),
        "ticks_per_s": round(median(f.ticks / f.elapsed_s for f in found)),
        "cpu_us_per_tick": round(median(1e6 * f.cpu_s / f.ticks for f in found), 3),
        "loop_lag_p99_ms": round(median(f.lag_p99_us for f in found) / 1e3, 2) if has_loop else None,
        "loop_lag_max_ms": round(max(f.lag_max_us for f in found) / 1e3, 2) if has_loop else None,
    }


def stream_verdicts(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `{"ok": ..., "text": ...}` for each promise on the cost of a tick and on stalls of the loop."""
    found = []
    for row in result["rows"]:
        if row["rival"] != "tradebot":
            continue
        face, cost = row["face"], row["cpu_us_per_tick"]
        plain = next(
            r
            for r in result["rows"]
            if (r["face"], r["ticks_a_frame"], r["rival"]) == (face, row["ticks_a_frame"], "plain")
        )
        text = (
            f"{face} frames of {row['ticks_a_frame']}: {cost:.2f} us of the processor a tick, {row['ticks_per_s']:,} "
            f"ticks/s, {plain['cpu_us_per_tick'] / cost:.1f} times the plain way; the limit is {LIMIT_US[face]:g} us"
        )
        found.append({"ok": cost <= LIMIT_US[face], "text": text})
    stall = max((row["loop_lag_max_ms"] or 0.0) for row in result["rows"] if row["rival"] == "tradebot")
    text = f"the loop's longest stall under full load is {stall:.1f} ms, the limit is {STALL_LIMIT_MS:g} ms"
    found.append({"ok": stall <= STALL_LIMIT_MS, "text": text})
    return found
