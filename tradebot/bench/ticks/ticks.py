"""The benchmark of the tick path: `tradebot exchange` and `tradebot run` in two processes, every tick accounted for.

The exchange quotes every symbol at fixed instants from the open on. The daemon starts before the open. It stops after
the last tick and before the session ends, so that nothing is in flight when both sides count.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tradebot.bench.measuring.cpu import CpuSeconds, cpu_seconds, peak_memory_mb
from tradebot.bench.measuring.process import child_environment, last_output_line
from tradebot.bench.measuring.session import newest_opening as session_opens_at
from tradebot.clock import SECOND, Clock, MarketClock, format_iso
from tradebot.domain.message import Message
from tradebot.errors import TradebotError
from tradebot.exchange.event_log import read_event_log
from tradebot.markets.listing import synthetic_universe
from tradebot.markets.market import HOME_MARKET
from tradebot.ops.events.run import RunSummarized

POLL_S = 0.05
SETTLE_S = 0.5  # from the last tick to the stop; what a daemon has not read by then counts as lost
OPEN_WITHIN_S = 30.0
STOP_WITHIN_S = 15.0
LATENCIES = ("loop_lag", "quote_to_order", "quote_to_signal", "close_to_signals", "signal_to_order", "order_to_ack")
# With its default parameters the strategy trades too seldom on one-second bars. These give about ten entries per close,
# nearly as many as regulation allows.
PARAMS = {"ema_cross": "fast = 5, slow = 13, trend = 12"}
CONFIG = """
[analysis]
warmup_bars = 0 # thousands of histories at three requests a second would take a quarter of an hour

[risk] # wide; entries stay below the six a second that the venue's limiter lets pass, which would make the rest wait
max_open_orders = 1000
max_gross_notional = 500000000
max_daily_loss = 10000000
orders_per_second = 6
orders_per_minute = 390
orders_per_day = 4900
max_rejects_in_a_row = 100
max_rejects_per_minute = 400
max_rejected_symbols = 400
max_account_rejects_per_minute = 400

[journal]
min_free_mb = 16
"""


class TickLoad(Message, frozen=True):
    """What to measure: `symbols` symbols tick `rate` times a second each, for `for_s` wall seconds.

    `strategy` is a shipped name or file:Class, None for none. `interval` is the bar length in market time, which runs
    `rate` times as fast as wall time.
    """

    symbols: int
    for_s: float
    rate: float
    strategy: str | None
    interval: str
    workers: str

    @property
    def ticks_per_symbol(self) -> int:
        """The number of ticks of one symbol."""
        return max(1, ceil(self.for_s * self.rate))

    @property
    def lead_s(self) -> float:
        """Wall seconds from the exchange's start to its open; the daemon starts in them."""
        return 4.0 + self.symbols / 500


async def measure_ticks(load: TickLoad, *, clock: Clock, progress: Callable[[float, float], None]) -> dict[str, Any]:
    """Run the benchmark and return its counts and figures as JSON values; `progress` gets wall seconds done and in all.

    Processes are ended and files removed in any case. Raises TradebotError when one of the two processes fails.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tradebot-bench-", ignore_cleanup_errors=True)))
        symbols = folder / "symbols.txt"
        symbols.write_text("\n".join(synthetic_universe(load.symbols).symbols), encoding="utf-8")
        opens_at = session_opens_at(clock)
        exchange = stack.enter_context(_child("exchange", folder, *_exchange_options(load, folder, opens_at)))
        addresses = await _addresses(exchange, folder, clock)
        venue = MarketClock(starts_at=addresses["market"], anchor_mono=addresses["monotonic"], speed=addresses["speed"])
        daemon = stack.enter_context(_child("run", folder, *_daemon_options(load, folder)))
        children = {"exchange": exchange, "run": daemon}
        last_tick = opens_at + (load.ticks_per_symbol - 1) * SECOND
        # Durations in wall seconds from here on.
        to_open = (opens_at - venue.market_ns()) / load.rate / SECOND
        to_stop = (last_tick - venue.market_ns()) / load.rate / SECOND + SETTLE_S
        begin = clock.monotonic_ns()

        async def reach(seconds: float) -> None:
            while (left := seconds - (clock.monotonic_ns() - begin) / SECOND) > 0:
                _check_alive(children, folder)
                progress(seconds - left, to_stop)
                await clock.sleep(min(POLL_S * 5, left))

        await reach(to_open)
        before = {name: cpu_seconds(child.pid) for name, child in children.items()}
        await reach(to_stop)
        _check_alive(children, folder)
        after = {name: cpu_seconds(child.pid) for name, child in children.items()}
        memory = peak_memory_mb(daemon.pid)
        await _stop("run", daemon, folder, clock)
        await _stop("exchange", exchange, folder, clock)
        used = {
            name: a.used_since(b) if (a := after[name]) is not None and (b := before[name]) is not None else None
            for name in children
        }
        return _figures(load, folder, seconds=to_stop - to_open, used=used, memory=memory)


def _exchange_options(load: TickLoad, folder: Path, opens_at: int) -> list[str]:
    begin = opens_at - int(load.lead_s * load.rate * SECOND)
    return [
        *("--symbols", f"@{folder / 'symbols.txt'}", "--every-second", "--cash", "1000000000"),
        *(
            "--at",
            format_iso(begin, HOME_MARKET.tzinfo),
            "--until",
            format_iso(opens_at + load.ticks_per_symbol * SECOND, HOME_MARKET.tzinfo),
        ),
        *("--speed", str(load.rate)),
        # If this process is killed, its children end by themselves.
        *("--log", str(folder / "exchange.jsonl"), "--for", f"{ceil(load.lead_s + load.for_s) + 60}s"),
    ]


def _daemon_options(load: TickLoad, folder: Path) -> list[str]:
    config = folder / "config.toml"
    name = load.strategy
    chosen = "" if name is None else f"{{ name = {json.dumps(name)}, params = {{ {PARAMS.get(name, '')} }} }}"
    config.write_text(f"strategy = [{chosen}]\n{CONFIG}", encoding="utf-8")
    return [
        *("--config", str(config), "--symbols", f"@{folder / 'symbols.txt'}", "--state-dir", str(folder / "state")),
        *("--exchange", str(folder / "exchange.out"), "--interval", load.interval, "--workers", load.workers),
        *("--log-format", "json", "--for", f"{ceil(load.lead_s + load.for_s) + 30}s"),
    ]


@contextmanager
def _child(verb: str, folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{verb}.out").open("wb") as out, (folder / f"{verb}.err").open("wb") as err:
        command = [sys.executable, "-m", "tradebot", verb, *options]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=child_environment())
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_WITHIN_S)
        except BaseException:  # also a second Ctrl-C: no child may outlive this
            child.kill()
            child.wait()
            raise


async def _addresses(exchange: subprocess.Popen[bytes], folder: Path, clock: Clock) -> dict[str, Any]:
    path, deadline = folder / "exchange.out", clock.monotonic_ns() + int(OPEN_WITHIN_S * SECOND)
    while not (text := path.read_text(encoding="utf-8")).endswith("\n"):
        _check_alive({"exchange": exchange}, folder)
        if clock.monotonic_ns() > deadline:
            raise TradebotError(f"the exchange did not open within {OPEN_WITHIN_S:g} s")
        await clock.sleep(POLL_S)
    found: dict[str, Any] = json.loads(text)["clock"]
    return found


def _check_alive(children: dict[str, subprocess.Popen[bytes]], folder: Path) -> None:
    for verb, child in children.items():
        if child.poll() is not None:
            raise TradebotError(
                f"`tradebot {verb}` ended early with code {child.returncode}:"
                f" {last_output_line(folder / f'{verb}.err')}"
            )


async def _stop(verb: str, child: subprocess.Popen[bytes], folder: Path, clock: Clock) -> None:
    child.terminate()
    deadline = clock.monotonic_ns() + int(STOP_WITHIN_S * SECOND)
    while child.poll() is None:
        if clock.monotonic_ns() > deadline:
            raise TradebotError(f"`tradebot {verb}` did not stop within {STOP_WITHIN_S:g} s")
        await clock.sleep(POLL_S)
    if child.returncode != 0:
        raise TradebotError(
            f"`tradebot {verb}` ended with code {child.returncode}: {last_output_line(folder / f'{verb}.err')}"
        )


def _figures(
    load: TickLoad, folder: Path, *, seconds: float, used: dict[str, CpuSeconds | None], memory: float | None
) -> dict[str, Any]:
    summary = _summary(folder / "run.out")
    tickers = [line for line in read_event_log(folder / "exchange.jsonl") if line["kind"] == "ticker"]
    if not tickers:
        raise TradebotError("the daemon never joined the exchange's stream")
    # The ticks it subscribed to are in full mode; before that each symbol's state comes in quote mode.
    sent = sum(line["rows"]["full"] - line["unsent"] for line in tickers)
    received = summary["quotes_received"]
    daemon, exchange = used["run"], used["exchange"]
    return {
        "bench": "ticks",
        "asked": {
            "symbols": load.symbols,
            "seconds": load.for_s,
            "rate": load.rate,
            "strategy": load.strategy,
            "interval": load.interval,
            "workers": load.workers,
        },
        "ticks": {
            "expected": load.symbols * (load.ticks_per_symbol + 1),  # each symbol's state on joining is one more
            "sent": sent,
            "received": received,
            "lost": sent - received,
            "accepted": summary["quotes"],
            "late": summary["quotes_late"],
            "merged": summary["quotes_merged"],
            "merged_by_exchange": sum(line["merged"] for line in tickers),
            "dropped": {reason: n for reason, n in summary["quotes_dropped"].items() if n},
            "connections": len(tickers),
        },
        "bars": summary["bars"],
        "signals": summary["signals"],
        "orders": {
            name: summary[name] for name in ("orders", "filled", "rejected", "cancelled", "unknown", "denied", "fills")
        },
        "latency_us": {
            name: {p: summary[f"{name}_{p}_us"] for p in ("p50", "p99", "max")}
            for name in LATENCIES
            if f"{name}_p99_us" in summary
        },
        "cpu": {
            "seconds": round(seconds, 1),
            "daemon_s": daemon and round(daemon.own, 2),
            "daemon_us_per_tick": daemon and round(1e6 * daemon.own / max(received, 1), 2),
            "daemon_peak_mb": memory and round(memory, 1),
            "workers_s": daemon and round(daemon.below, 2),
            "exchange_s": exchange and round(exchange.own, 2),
        },
    }


def _summary(path: Path) -> dict[str, Any]:
    for line in reversed(path.read_bytes().splitlines()):
        said: dict[str, Any] = json.loads(line)
        if said.get("event") == RunSummarized.name:
            return said
    raise TradebotError(f"the daemon wrote no {RunSummarized.name}")
