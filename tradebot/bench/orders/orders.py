"""The benchmark of the order path: from a quote on the wire to its order request, compared with a minimal pipeline.

Venue, daemon and rival are three processes over real sockets. The clients take turns on the same venue, so that a busy
moment of the machine slows both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tradebot.bench.daemon.measured_daemon import DaemonSite
from tradebot.bench.measuring import report
from tradebot.bench.measuring.cpu import cpu_seconds
from tradebot.bench.measuring.process import failures_as_errors, running_process
from tradebot.bench.measuring.session import clock_in_session
from tradebot.bench.orders.daemon import serve_orders
from tradebot.bench.rivals import orders as rival
from tradebot.bench.venue.ticker import AwaitArmed, QuoteSlice, SliceResult, Ticker
from tradebot.bench.venue.venue import VenueProcess, open_venue
from tradebot.clock import Clock
from tradebot.domain.message import Message

SYMBOLS = 50
OURS, PLAIN = "tradebot", "plain"
P50_LIMIT_US, P99_LIMIT_US, RATIO_LIMIT = 800.0, 2_500.0, 1.5
PROMISED_AT = 200.0  # quotes a second at which the limits in time apply


class OrderLoad(Message, frozen=True):
    """What to measure: quotes at each of `rates` a second, `for_s` for each client and rate in `turns` turns.

    About `orders` quotes a second hit a stop. With `store` the tables for people are fed as usual.
    """

    rates: tuple[float, ...]
    for_s: float
    turns: int
    orders: float
    store: bool = True


def measure_orders(load: OrderLoad, *, clock: Clock, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Run the benchmark and return its figures as JSON values; `progress` gets rates done and in all.

    Processes are ended and files removed in any case. Raises TradebotError when one of the three processes fails.
    """
    with failures_as_errors():
        return {"bench": "orders", "asked": _asked(load), "rows": _measure(load, clock, progress)}


def _measure(load: OrderLoad, clock: Clock, progress: Callable[[int, int], None]) -> list[dict[str, Any]]:
    market = clock_in_session(clock)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="tradebot-bench-", ignore_cleanup_errors=True)))
        wire = stack.enter_context(open_venue(Ticker(SYMBOLS, (OURS, PLAIN), market)))
        rest, ticker = wire.addresses
        daemon = partial(serve_orders, DaemonSite(OURS, SYMBOLS, rest, market, folder), ticker, store=load.store)
        plain = partial(rival.serve_plain, PLAIN, SYMBOLS, rest=rest, ticker=ticker, folder=folder)
        pids = {OURS: stack.enter_context(running_process(daemon)), PLAIN: stack.enter_context(running_process(plain))}
        wire.ask_venue(AwaitArmed())
        rows: list[dict[str, Any]] = []
        for number, rate in enumerate(load.rates):
            progress(number, len(load.rates))
            rows += _rate(load, rate, wire, pids)
        return rows


def _rate(load: OrderLoad, rate: float, wire: VenueProcess, pids: dict[str, int]) -> Iterator[dict[str, Any]]:
    every = max(1, round(rate / load.orders))
    count = max(every, int(rate * load.for_s / load.turns))
    delays: dict[str, list[int]] = {name: [] for name in pids}
    missing, unarmed, used = dict.fromkeys(pids, 0), dict.fromkeys(pids, 0), dict.fromkeys(pids, 0.0)
    for _ in range(load.turns):
        for name, pid in pids.items():
            before = cpu_seconds(pid)
            found: SliceResult = wire.ask_venue(QuoteSlice(client=name, rate=rate, count=count, every=every))
            after = cpu_seconds(pid)
            delays[name] += found.delays
            missing[name] += found.missing
            unarmed[name] += found.unarmed
            if before is not None and after is not None:
                used[name] += after.used_since(before).own
    for name in pids:
        yield _row(rate, rate / every, name, delays[name], missing[name], unarmed[name], used[name])


def _row(
    rate: float, orders: float, name: str, delays: Sequence[int], missing: int, unarmed: int, cpu_s: float
) -> dict[str, Any]:
    ranks = (50, 99, 99.9)
    figures = [round(float(p) / 1e3, 1) for p in np.percentile(delays, ranks)] if delays else [None] * 3
    return {
        "quotes_per_s": rate,
        "orders_per_s": orders,
        "rival": name,
        "n": len(delays),
        "missing": missing,
        "unarmed": unarmed,
        "p50_us": figures[0],
        "p99_us": figures[1],
        "p99.9_us": figures[2] if len(delays) >= 1000 else None,  # with fewer it would be the maximum
        "max_us": round(max(delays) / 1e3, 1) if delays else None,
        "cpu_us_per_order": round(cpu_s / len(delays) * 1e6) if delays else None,
    }


def order_verdicts(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return `{"ok": ..., "text": ...}` for each promise on the order path."""
    rows = result["rows"]
    missing, unarmed = (sum(row[name] for row in rows) for name in ("missing", "unarmed"))
    silent = f"{missing:,} quotes that hit a stop led to no order"
    bare = f"{unarmed:,} quotes found no stop to hit: what was sold was not bought again in time"
    found = [
        report.promise_verdict(missing == 0, "every quote that hit a stop led to its order", silent, instead=True),
        report.promise_verdict(unarmed == 0, "every stop that was to be hit stood", bare, instead=True),
    ]
    for ours, plain in zip(rows[::2], rows[1::2], strict=True):
        if ours["p50_us"] is None or plain["p50_us"] is None:
            found.append({"ok": False, "text": f"at {ours['quotes_per_s']:g} quotes/s nothing was measured"})
            continue
        ratio = ours["p50_us"] / plain["p50_us"]
        text = (
            f"at {ours['quotes_per_s']:g} quotes/s quote to order takes {ours['p50_us'] / 1e3:.2f} ms (p50) and "
            f"{ours['p99_us'] / 1e3:.2f} ms (p99), {ratio:.2f} times the plain pipeline"
        )
        is_kept = ratio <= RATIO_LIMIT
        if ours["quotes_per_s"] == PROMISED_AT:
            is_kept &= ours["p50_us"] <= P50_LIMIT_US and ours["p99_us"] <= P99_LIMIT_US
            text += f"; the limits are {P50_LIMIT_US / 1e3:g} ms, {P99_LIMIT_US / 1e3:g} ms and {RATIO_LIMIT:g} times"
        found.append({"ok": is_kept, "text": text})
    return found


def _asked(load: OrderLoad) -> dict[str, Any]:
    return {
        "rates": list(load.rates),
        "seconds": load.for_s,
        "turns": load.turns,
        "orders_per_s": load.orders,
        "symbols": SYMBOLS,
        "store": load.store,
    }
