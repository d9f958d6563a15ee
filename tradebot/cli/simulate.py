"""The verb `simulate`: runs days of a whole daemon on virtual time, one seed each; the checker judges them."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import click

from tradebot.printable import make_printable
from tradebot.printing import print_error_line, print_json

SHOWN_LEVELS = frozenset({"info", "warning", "error"})
HIDDEN_EVENTS = frozenset({"signal_fired", "order_denied"})


@click.command()
@click.argument("seed", type=click.IntRange(min=0), required=False)
@click.option("--faults", help='Faults instead of the seed\'s own: "swarm", "" for none, "429:books~0.1", ...')
@click.option("--logins", "has_logins", is_flag=True, help="The token dies, and a person logs in late.")
@click.option("--logins-every", type=click.IntRange(min=1), help="Of many days, --logins for every Nth seed alone.")
@click.option("--stops", "has_stops", is_flag=True, help="The stops of positions rest at the venue.")
@click.option("--stops-every", type=click.IntRange(min=1), help="Of many days, --stops for every Nth seed alone.")
@click.option("--seeds", type=click.IntRange(min=1), help="Play this many seeds, over all cores.")
@click.option("--for", "for_", help="Play seeds for this long: 90s, 10m, 4h.")
@click.option("--from", "first", type=click.IntRange(min=0), default=0, show_default=True, help="The first of them.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes; by default one a core.")
@click.option(
    "--corpus",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Seeds to play before all others; a seed that breaks is added.",
)
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep the records of SEED in a folder.")
@click.option("-q", "--quiet", is_flag=True, help="Print the last line alone.")
def simulate(
    seed: int | None,
    faults: str | None,
    has_logins: bool,
    logins_every: int | None,
    has_stops: bool,
    stops_every: int | None,
    seeds: int | None,
    for_: str | None,
    first: int,
    workers: int | None,
    corpus: Path | None,
    keep: Path | None,
    quiet: bool,
) -> None:
    """Simulate whole days with faults, kills and recovery on virtual time, and let the checker judge them.

    With SEED one day is played and told; it ends with one line of JSON. The same seed gives the same bytes. With
    --seeds or --for many are played and counted.
    """
    if (seed is None) == (seeds is None and for_ is None):
        raise click.UsageError("name one SEED, or how many: --seeds 500, or how long: --for 10m")
    for name, nth in (("logins", logins_every), ("stops", stops_every)):
        if seed is not None and nth is not None:
            raise click.UsageError(f"--{name}-every is for many days; for SEED alone say --{name}")
    if has_logins and has_stops:
        raise click.UsageError("--logins and --stops are days of two kinds; name one of them")
    from tradebot.simulation.day_kind import DayKind
    from tradebot.simulation.seed_batch import SimulatedDay

    if seed is not None:
        kind = DayKind.LOGINS if has_logins else DayKind.STOPS if has_stops else DayKind.PLAIN
        outcome = _one(SimulatedDay(seed, faults, kind), keep, quiet)
        if corpus is not None and outcome.verdict == "broken":
            from tradebot.simulation.seed_batch import add_to_corpus

            add_to_corpus(corpus, outcome, faults)
    else:
        outcome = None
        # Where a seed is due for both kinds it has its stops.
        every = {
            DayKind.STOPS: 1 if has_stops else stops_every or 0,
            DayKind.LOGINS: 1 if has_logins else logins_every or 0,
        }
        _many(seeds, for_, first, every, workers or os.cpu_count() or 1, corpus, quiet)
    if outcome is not None and outcome.verdict == "broken":
        raise SystemExit(1)


def _one(day: Any, keep: Path | None, quiet: bool) -> Any:
    from tradebot.errors import StateError
    from tradebot.simulation.seed_run import ignore_event, run_seed

    if keep is not None:
        if keep.exists() and any(keep.iterdir()):
            raise StateError(f"{keep} is not empty; name a new folder for the records")
        keep.mkdir(parents=True, exist_ok=True)
    on_event = ignore_event if quiet else _tell
    outcome = run_seed(day.seed, kind=day.kind, faults=day.faults, on_event=on_event, folder=keep)
    line = outcome.as_json_object()
    if outcome.verdict == "broken":
        for why in outcome.why:
            print_error_line(f"  broken  {why}")
        if outcome.struck:
            line["script"] = _script(outcome)
    print_json(line)
    return outcome


def _script(outcome: Any) -> str | None:
    from tradebot.simulation.seed_batch import SimulatedDay
    from tradebot.simulation.seed_run import run_seed
    from tradebot.simulation.shrink import shrink_faults

    print_error_line(f"  looking for the fewest of {len(outcome.struck)} faults that break it")
    is_broken = lambda words: (  # noqa: E731
        run_seed(outcome.seed, kind=outcome.kind, faults=",".join(words)).verdict == "broken"
    )
    found = shrink_faults(outcome.struck, is_broken)
    if found is None:
        print_error_line("  the struck faults alone do not break it: chance is part of it")
        return None
    script = ",".join(found)
    again = SimulatedDay(outcome.seed, script, outcome.kind)
    print_error_line(f"  again with  tradebot simulate {again.cli_arguments()}")
    return script


def _tell(at_s: float, event: Any) -> None:
    if event.level in SHOWN_LEVELS and event.name not in HIDDEN_EVENTS:
        words = " ".join(
            f"{name}={value}" for name, value in event.log_fields().items() if value not in ("", (), [], {})
        )
        print_error_line(f"{at_s:9.3f}  {event.level:7}  {event.name:24} {words}"[:240])


def _kind_of(seed: int, every: dict[Any, int]) -> Any:
    from tradebot.simulation.day_kind import DayKind

    return next((kind for kind, nth in every.items() if nth and seed % nth == 0), DayKind.PLAIN)


def _many(
    seeds: int | None,
    for_: str | None,
    first: int,
    every: dict[Any, int],
    workers: int,
    corpus: Path | None,
    quiet: bool,
) -> None:
    # `every`: kind of a day -> every how many seeds one is of this kind, 0 for none.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from tradebot.cli.shared.tables import print_rows
    from tradebot.clock import SECOND, WallClock
    from tradebot.config.values import parse_seconds
    from tradebot.simulation.seed_batch import OutcomeCounts, SimulatedDay, add_to_corpus, read_corpus, run_days

    clock, tally = WallClock(), OutcomeCounts()
    began = clock.monotonic_ns()
    try:
        limit = None if for_ is None else parse_seconds(for_) * SECOND
    except ValueError as error:
        raise click.UsageError(f"--for {error}") from error
    known = read_corpus(corpus) if corpus is not None else []
    numbers = itertools.count(first) if seeds is None else range(first, first + seeds)
    drawn = (SimulatedDay(n, None, _kind_of(n, every)) for n in numbers)
    wanted = itertools.chain(known, (day for day in drawn if day not in known))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    cut_short: KeyboardInterrupt | None = None
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("seeds", total=None if seeds is None else seeds + len(known))
        is_late = lambda: limit is not None and clock.monotonic_ns() - began > limit  # noqa: E731
        try:
            for outcome in run_days(wanted, workers=workers, is_enough=is_late):
                tally.add_outcome(outcome)
                if outcome.verdict == "broken":
                    shown = SimulatedDay(outcome.seed, None, outcome.kind).cli_arguments()
                    told = f"seed {shown} broke: {'; '.join(outcome.why)}"
                    bar.console.print(make_printable(told), markup=False, soft_wrap=True)
                    if corpus is not None:
                        add_to_corpus(corpus, outcome)
                bar.update(task, advance=1, description=f"seeds, {len(tally.broken)} broken")
        except KeyboardInterrupt as interrupt:  # the days run so far are still reported
            cut_short = interrupt
    took_s = (clock.monotonic_ns() - began) / SECOND
    if not quiet:
        print_rows(
            [*tally.table_rows(), {"what": "seeds a second", "count": f"{tally.seed_count / took_s:.1f}"}],
            as_json=False,
        )
        if tally.broken:
            print_rows([{"seed": o.seed, "why": "; ".join(o.why)} for o in tally.broken], as_json=False)
    broken = [outcome.seed for outcome in tally.broken]
    counts = {"seeds": tally.seed_count, **dict(sorted(tally.verdicts.items())), "orders": tally.orders}
    print_json(counts | {"seconds": round(took_s, 1), "broken_seeds": broken})
    if cut_short is not None:
        raise cut_short
    if tally.halts_too_often:
        print_error_line(f"{tally.halted_share:.1%} of the days ended halted, which is too many")
    if broken or tally.halts_too_often:
        raise SystemExit(1)
