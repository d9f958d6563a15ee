"""Mutants: makes random single changes in the parts that decide about orders and money, and sees which live.

A change that no test and no simulated day notices means that a test is missing, or that the change changes nothing:
those are explained in `equal.toml`. `make mutants COUNT=400 SEED=7` draws some, `FILES="gate exits"` of some files.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.abc
import importlib.util
import multiprocessing
import os
import resource
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.machinery import ModuleSpec
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests.mutants.mutations import Mutant, mutants_of
from tests.mutants.reach import Reach, measure

ROOT = Path(__file__).parents[2]
# What decides about orders and money: desk and gate, the fold of orders, fees, reconciliation; the desk of a backtest.
TARGETS = (
    "tradebot/trading/desk/**/*.py", "tradebot/domain/order*.py", "tradebot/domain/venue_reports.py",
    "tradebot/domain/portfolio.py",
    "tradebot/domain/halts.py", "tradebot/markets/charges.py", "tradebot/markets/debits.py",
    "tradebot/trading/reconciliation.py", "tradebot/trading/account_reader.py", "tradebot/trading/poll_schedule.py",
    "tradebot/backtest/fast_*.py", "tradebot/backtest/backtest_desk.py", "tradebot/backtest/order_fast_path.py",
)  # fmt: skip
# Quick and near first: most changes are noticed by the first of them.
TESTS = ("tests/domain", "tests/trading/desk", "tests/markets/test_charges.py", "tests/trading/test_reconciliation.py",
         "tests/trading/test_fill_hints.py", "tests/trading/test_account_reader.py",
         "tests/trading/test_poll_schedule.py", "tests/markets/test_debits.py",
         "tests/journal/test_recovery.py", "tests/control", "tests/checker", "tests/trading/test_engine.py",
         "tests/backtest/test_fast_gate.py", "tests/backtest/test_backtest_desk.py",
         "tests/backtest/test_order_fast_path.py", "tests/backtest/test_every_bar.py",
         "tests/backtest/test_run.py")  # fmt: skip
LEFT_OUT = ("tests/control/test_cancel_sweep.py", "tests/trading/desk/test_leaks.py")  # processes of their own; memory
SOURCES = ("tradebot/domain", "tradebot/markets", "tradebot/trading", "tradebot/backtest")  # where the targets are
DAYS = range(1, 61)
# For one mutant, for one that hangs is one that is noticed: of its processor, and of the clock where it only waits.
WITHIN_CPU_S, WITHIN_S = 400, 3600
LIVING_AT_MOST = 0.05
UNCHANGED = Mutant("tradebot/trading/desk/rules/exits.py", 1, "unchanged", "", "", 0, 0)
EQUAL = Path(__file__).with_name("equal.toml")


class Fate(NamedTuple):
    """What became of a mutant: what noticed it, or nothing."""

    mutant: Mutant
    by: str
    seconds: float


@cache
def all_mutants() -> tuple[Mutant, ...]:
    """Return every mutant of the targets, in the order of files and text."""
    files = sorted({path for pattern in TARGETS for path in ROOT.glob(pattern)})
    return tuple(mutant for path in files for mutant in mutants_of(path, ROOT))


def explained() -> dict[str, str]:
    """Return name -> why nothing can notice it, for the mutants that are known to change nothing that matters."""
    records = tomllib.loads(EQUAL.read_text(encoding="utf-8"))["equal"]
    return {f"{r['file']} | {r['kind']} | {r['was']}": r["because"] for r in records}


def drawn(count: int, seed: int, files: Sequence[str]) -> list[Mutant]:
    """Draw `count` mutants of the files whose path holds one of `files`, all of them where there are fewer."""
    found = [m for m in all_mutants() if not files or any(part in m.file for part in files)]
    places = np.random.default_rng(seed).permutation(len(found))[:count]
    return [found[int(place)] for place in sorted(places)]


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module with a mutant in it, all others as they are."""

    def __init__(self, mutant: Mutant) -> None:
        self._path = ROOT / mutant.file
        self._text = mutant.text(self._path.read_text(encoding="utf-8"))
        self._name = mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(self, name: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, self._path, loader=self)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._text, self._path, "exec"), module.__dict__)


def _try(mutant: Mutant, tests: Sequence[str], days: Sequence[int]) -> int:
    # Runs in a process of its own: 1 where a test went red, 2 where a day broke, 0 where nothing noticed.
    _begin(mutant)
    if tests and not _passes(tests):
        return 1
    from tradebot.simulation.seed_run import run_seed

    for day in days:
        try:
            if run_seed(day).verdict == "broken":
                return 2
        except Exception:  # whatever a mutant raises is noticed
            return 2
    return 0


def _begin(mutant: Mutant) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (WITHIN_CPU_S, WITHIN_CPU_S))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.chdir(ROOT)
    for name in [name for name, module in sys.modules.items() if _is_ours(module) and name != "__main__"]:
        del sys.modules[name]  # who calls this may have loaded it as it was, and tests that hold it
    sys.meta_path.insert(0, _Changed(mutant))


def _passes(tests: Sequence[str], *plugins: object) -> bool:
    import pytest

    options = ["-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-W", "ignore"]
    options += [f"--ignore={path}" for path in LEFT_OUT]
    return pytest.main([*options, *tests], plugins=plugins) in (0, pytest.ExitCode.NO_TESTS_COLLECTED)


def _measure(into: Connection) -> None:
    # In a process of its own: sends which tests run which lines, or nothing where one fails without any change.
    _begin(UNCHANGED)
    passed: list[bool] = []
    found = measure(SOURCES, lambda plugin: passed.append(_passes(TESTS, plugin)))
    # As plain values: the class itself was unloaded here with all that is ours.
    into.send((found.lines, found.seconds) if passed[0] else None)


def reach() -> Reach | None:
    """Return which tests run which lines; None where they fail without any change."""
    mine, its = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_measure, args=(its,))
    process.start()
    its.close()
    try:
        found = mine.recv()
    except EOFError:
        found = None
    process.join()
    return None if found is None else Reach(*found)


def _is_ours(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None) or ""
    return any(file.startswith(f"{ROOT}/{folder}/") for folder in ("tradebot", "tests"))


def hunt(mutant: Mutant, *, tests: Sequence[str] = TESTS, days: Sequence[int] = DAYS) -> Fate:
    """Try one mutant in a process of its own; one that ends its process or never ends is noticed too."""
    began = time.monotonic()
    process = multiprocessing.get_context("fork").Process(target=lambda: os._exit(_try(mutant, tests, days)))
    process.start()
    process.join(WITHIN_S)
    if process.is_alive():
        process.kill()
        process.join()
    by = {0: "", 1: "tests", 2: "days"}.get(process.exitcode if process.exitcode is not None else -1, "its end")
    return Fate(mutant, by, time.monotonic() - began)


def hunt_near(mutant: Mutant, reached: Reach) -> Fate:
    """Try one mutant with the tests that run its line, then the days, and all tests where more may notice it."""
    began = time.monotonic()
    near, may_be_others = reached.of(ROOT / mutant.file, mutant.line)
    fate = hunt(mutant, tests=near, days=DAYS)
    if not fate.by and may_be_others:
        fate = hunt(mutant, days=())
    return fate._replace(seconds=time.monotonic() - began)


def hunt_all(mutants: Sequence[Mutant], reached: Reach) -> Iterator[Fate]:
    """Yield what became of each mutant, in their order; one a processor at a time."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield from pool.map(lambda mutant: hunt_near(mutant, reached), mutants)


def main() -> int:
    """Hunt the drawn mutants; returns 1 when too many live that nothing explains."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("files", nargs="*", help="parts of paths; without any all files count")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    chosen, known = drawn(asked.count, asked.seed, asked.files), explained()
    fates: Counter[str] = Counter()
    living: list[Mutant] = []
    _load()
    if (reached := reach()) is None or hunt(UNCHANGED, tests=()).by:
        Console(stderr=True).print("a test or a day fails without any change: there is nothing to hunt with")
        return 2
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("hunting", total=len(chosen))
        for fate in hunt_all(chosen, reached):
            progress.advance(task)
            is_explained = not fate.by and fate.mutant.name in known
            fates[fate.by or ("explained" if is_explained else "lives")] += 1
            if not fate.by and not is_explained:
                living.append(fate.mutant)
            if not progress.console.is_terminal:
                said = fate.by or known.get(fate.mutant.name, "LIVES")
                where = f"{fate.mutant.file}:{fate.mutant.line} {fate.mutant.kind}: {fate.mutant.was}"
                progress.console.print(f"{fate.seconds:5.1f} s  {said}  {where}", markup=False, soft_wrap=True)
    table = Table("where", "change", "was", title=f"{len(living)} of {len(chosen)} mutants live")
    for mutant in living:
        table.add_row(f"{mutant.file}:{mutant.line}", mutant.kind, mutant.was)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print(f"seed {asked.seed}: " + ", ".join(f"{count} {by}" for by, count in sorted(fates.items())))
    return 1 if len(living) > LIVING_AT_MOST * len(chosen) else 0


def _load() -> None:
    # Everything heavy that is not ours is loaded once; each process is forked with it. Our own modules are not, so
    # that each process imports the one that changed as it changed.
    for name in ("hypothesis", "pandas", "pytest_asyncio", "structlog", "talib", "uvloop"):
        importlib.import_module(name)
    assert not any(name.partition(".")[0] == "tradebot" for name in sys.modules)


if __name__ == "__main__":
    sys.exit(main())
