"""The benchmarks of `bench` that follow one path through the daemon: ticks as fast as they come, orders, the start."""

from __future__ import annotations

import sys
from typing import Any

import click

from tradebot.cli.shared.tables import WIDE
from tradebot.clock import WallClock
from tradebot.config.values import seconds
from tradebot.printing import aside, say_json

MOST_RATE = 5_000
LONGEST_S = 600.0


def _rates(context: click.Context, option: click.Parameter, text: str) -> tuple[float, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= MOST_RATE for part in parts):
        raise click.BadParameter(f"should be whole numbers from 1 to {MOST_RATE:,} such as 10,200, not {text!r}")
    return tuple(map(float, parts))


def duration(text: str, *, longest_s: float) -> float:
    """Return the seconds of `--for`. Raises BadParameter."""
    try:
        length = seconds(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--for") from None
    if length > longest_s:
        raise click.BadParameter(f"{longest_s:g} s is the longest", param_hint="--for")
    return length


@click.command()
@click.option(
    "--rates", callback=_rates, default="10,100,200,1000", show_default=True, help="Quotes a second, in turn."
)
@click.option("--for", "length", default="10s", show_default=True, help="How long each client is measured at each.")
@click.option("--turns", type=click.IntRange(1, 100), default=5, show_default=True, help="Turns that time is cut into.")
@click.option(
    "--orders",
    type=click.FloatRange(1, 1000),
    default=100.0,
    show_default=True,
    help="Quotes a second that hit a stop, at most.",
)
@click.option("--store/--no-store", default=True, show_default=True, help="Feed the tables people query meanwhile.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def orders(rates: tuple[float, ...], length: str, turns: int, orders: float, store: bool, as_json: bool) -> None:
    """Time a quote on the wire to the order it causes on the wire, beside a plain pipeline without any check.

    Venue, daemon and rival are processes of their own on real sockets; both clients write SQLite durably before they
    send. The venue takes both times, on one clock.
    """
    from tradebot.bench.orders import Load, measure, verdicts

    load = Load(rates=rates, for_s=duration(length, longest_s=LONGEST_S), turns=turns, orders=orders, store=store)
    tell(measure(load, clock=WallClock(), progress=_progress), verdicts, as_json)


@click.command()
@click.option("--symbols", default="RELIANCE,TCS,INFY", show_default=True, help="What the daemon trades.")
@click.option("--repeats", type=click.IntRange(1, 100), default=7, show_default=True, help="Medians of so many starts.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def start(symbols: str, repeats: int, as_json: bool) -> None:
    """Time a start: from the command to READY on the embedded exchange, and what each stage of it takes."""
    from tradebot.bench.start import Load, measure, verdicts

    load = Load(symbols=tuple(name.strip() for name in symbols.split(",") if name.strip()), repeats=repeats)
    tell(measure(load, clock=WallClock(), progress=_progress), verdicts, as_json)


SUSTAINED = 1_000_000  # ticks of one client and turn; slow ways read a tenth


def sustained_ticks(symbols: int, as_json: bool) -> None:
    """Measure how many ticks one core takes from the socket to the bars, and tell."""
    from tradebot.bench.stream import Load, measure, verdicts

    load = Load(symbols=min(symbols, 3_000), ticks=SUSTAINED, sizes=(50, 200), turns=3)
    tell(measure(load, clock=WallClock(), progress=_progress), verdicts, as_json)


def tell(result: dict[str, Any], verdicts: Any, as_json: bool) -> None:
    """Print a result of rows with the machine it was found on and what follows, as a table or as JSON."""
    from rich.console import Console

    from tradebot.bench import report

    box = report.machine(writes=result["bench"] in ("orders", "burst"))
    result |= {"machine": box, "versions": report.versions(), "verdicts": verdicts(result)}
    if as_json:
        say_json(result)
    else:
        report.show_rows(result, Console(highlight=False, width=None if sys.stdout.isatty() else WIDE))


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        aside(f"{done} of {total} ...")
