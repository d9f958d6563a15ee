"""Benchmarks that compare paths through the daemon with its promises: orders, the API, bursts, ticks, starts."""

from __future__ import annotations

from typing import Any

import click

from tradebot.cli.bench.output import (
    MAX_SYMBOLS,
    duration_s,
    json_option,
    show_count,
    show_current,
    show_result,
    symbols_option,
)
from tradebot.clock import WallClock

MAX_RATE = 5_000
MAX_LENGTH_S = 600.0


def _rates(context: click.Context, option: click.Parameter, text: str) -> tuple[float, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= MAX_RATE for part in parts):
        raise click.BadParameter(f"should be whole numbers from 1 to {MAX_RATE:,} such as 10,200, not {text!r}")
    return tuple(map(float, parts))


_orders_option = click.option(
    "--orders",
    type=click.FloatRange(1, 1000),
    default=100.0,
    show_default=True,
    help="Quotes a second that hit a stop, at most.",
)


@click.command()
@click.option(
    "--rates", callback=_rates, default="10,100,200,1000", show_default=True, help="Quotes a second, in turn."
)
@click.option("--for", "length", default="10s", show_default=True, help="How long each client is measured at each.")
@click.option("--turns", type=click.IntRange(1, 100), default=5, show_default=True, help="Turns that time is cut into.")
@_orders_option
@click.option("--store/--no-store", default=True, show_default=True, help="Feed the tables people query meanwhile.")
@json_option
def orders(rates: tuple[float, ...], length: str, turns: int, orders: float, store: bool, as_json: bool) -> None:
    """Time a quote on the wire to the order it causes on the wire, beside a plain pipeline without any check.

    Venue, daemon and rival are processes of their own on real sockets; both clients write SQLite durably before they
    send. The venue takes both times, on one clock.
    """
    from tradebot.bench.orders.orders import OrderLoad, measure_orders, order_verdicts

    load = OrderLoad(
        rates=rates, for_s=duration_s(length, longest_s=MAX_LENGTH_S), turns=turns, orders=orders, store=store
    )
    _tell(measure_orders(load, clock=WallClock(), progress=show_count), order_verdicts, as_json)


@click.command()
@click.option("--for", "length", default="10s", show_default=True, help="How long a slice is, without and with a load.")
@click.option(
    "--pairs", type=click.IntRange(1, 100), default=5, show_default=True, help="Pairs of slices of each load."
)
@_orders_option
@json_option
def api(length: str, pairs: int, orders: float, as_json: bool) -> None:
    """Time a quote to its order with and without a load on the operator's API over HTTP, in turns.

    The loads: 20 requests a second and 10 readers of events, 10 readers that never read, 1,000 requests a second. They
    come from a process of their own.
    """
    from tradebot.bench.api.api import ApiBench, api_verdicts, measure_api

    asked = ApiBench(for_s=duration_s(length, longest_s=MAX_LENGTH_S), pairs=pairs, orders=orders)
    _tell(measure_api(asked, clock=WallClock(), progress=show_count), api_verdicts, as_json)


@click.command()
@click.option("--symbols", default="RELIANCE,TCS,INFY", show_default=True, help="What the daemon trades.")
@click.option("--repeats", type=click.IntRange(1, 100), default=7, show_default=True, help="Medians of so many starts.")
@json_option
def start(symbols: str, repeats: int, as_json: bool) -> None:
    """Time a start: from the command to READY on the embedded exchange, and what each stage of it takes."""
    from tradebot.bench.start.start import StartLoad, measure_starts, start_verdicts

    load = StartLoad(symbols=tuple(name.strip() for name in symbols.split(",") if name.strip()), repeats=repeats)
    _tell(measure_starts(load, clock=WallClock(), progress=show_count), start_verdicts, as_json)


@click.command()
@symbols_option("50,500,5000")
@click.option(
    "--bursts", type=click.IntRange(2, 10_000), default=100, show_default=True, help="One symbol in 50 fires."
)
@click.option("--full", type=click.IntRange(1, 1000), default=4, show_default=True, help="Bursts where all fire.")
@click.option("--workers", default="auto", show_default=True, help='Worker processes, 0 for none, or "auto".')
@json_option
def burst(symbols: tuple[int, ...], bursts: int, full: int, workers: str, as_json: bool) -> None:
    """Close a bar of all symbols at one instant: how long to the last signal and to the last order on the wire.

    The whole daemon with its workers and its journal, over a venue in another process; eleven indicators a symbol.
    """
    from tradebot.bench.burst.burst import BurstLoad, burst_verdicts, measure_bursts
    from tradebot.bench.daemon.measured_daemon import WorkerCount

    if workers != "auto" and not (workers.isascii() and workers.isdigit() and int(workers) <= 64):
        raise click.BadParameter(f"should be auto or a number up to 64, not {workers!r}", param_hint="--workers")
    chosen: WorkerCount = "auto" if workers == "auto" else int(workers)
    load = BurstLoad(symbols=symbols, bursts=bursts, full=full, workers=chosen)
    _tell(measure_bursts(load, clock=WallClock(), progress=show_current), burst_verdicts, as_json)


@click.command()
@symbols_option("500,5000")
@click.option("--bars", type=click.IntRange(60, 5_000), default=500, show_default=True, help="History of each symbol.")
@click.option("--repeats", type=click.IntRange(1, 100), default=3, show_default=True, help="Medians of so many.")
@json_option
def startup(symbols: tuple[int, ...], bars: int, repeats: int, as_json: bool) -> None:
    """Warm the indicators of all symbols up from bars in memory: time to the first close answered, and memory.

    How long a venue takes to hand the bars out is not in it.
    """
    from tradebot.bench.start.startup import StartupLoad, measure_startup, startup_verdicts

    load = StartupLoad(symbols=symbols, bars=bars, repeats=repeats)
    _tell(measure_startup(load, clock=WallClock(), progress=show_current), startup_verdicts, as_json)


@click.command()
@click.option("--symbols", type=click.IntRange(6, MAX_SYMBOLS), default=500, show_default=True, help="How many.")
@click.option("--latency", default="200ms", show_default=True, help="What the venue waits before past bars.")
@json_option
def warmup(symbols: int, latency: str, as_json: bool) -> None:
    """Start the whole daemon over the history of the day before: before the open, and in mid-day with positions.

    The venue allows three requests for past bars a second, so mid-day takes a third of a second a symbol.
    """
    from tradebot.bench.start.warmup import WarmupLoad, measure_warmups, warmup_verdicts

    load = WarmupLoad(symbols=symbols, latency_s=duration_s(latency, longest_s=1.0, option="--latency"))
    _tell(measure_warmups(load, clock=WallClock(), progress=show_current), warmup_verdicts, as_json)


SUSTAINED_TICKS = 1_000_000  # ticks for one client and turn; slow clients read a tenth of that


def measure_sustained_ticks(symbols: int, as_json: bool) -> None:
    """Measure how many ticks one core carries from the socket to the bars, and print the result."""
    from tradebot.bench.stream.stream import StreamLoad, measure_stream, stream_verdicts

    load = StreamLoad(symbols=min(symbols, 3_000), ticks=SUSTAINED_TICKS, sizes=(50, 200), turns=3)
    _tell(measure_stream(load, clock=WallClock(), progress=show_count), stream_verdicts, as_json)


def _tell(result: dict[str, Any], verdicts: Any, as_json: bool) -> None:
    from tradebot.bench.measuring.report import library_versions, machine_state

    box = machine_state(writes=result["bench"] in ("orders", "api", "burst"))
    show_result(result | {"machine": box, "versions": library_versions(), "verdicts": verdicts(result)}, as_json)
