"""Seeded bugs: puts each known bug into a copy of the repository and sees whether the tests its record names go red.

A bug that nothing catches means that a test is missing. `make bugs` hunts them all, `make bugs BUGS="one two"` some.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

RECORDS = Path(__file__).parent
REPOSITORY = RECORDS.parents[1]
COPIED = ("tradebot", "tests", "pyproject.toml", "Makefile", "README.md", "CHANGELOG.md", "config.toml",
          "locks")  # fmt: skip
CAUGHT = 1  # pytest's code for tests that failed; any other one tells of something else
WITHIN_S, HANGS_S = 90, 10  # for one test, and for one that the bug makes hang


class Change(NamedTuple):
    """One place of a bug: `find` stands once in `file`, and `put` takes its place."""

    file: str
    find: str
    put: str


class Bug(NamedTuple):
    """A known bug: what it does, the promise it breaks, and the tests of which at least one must go red.

    `hangs` says that they do so by never ending. `kind` names the old defect that it is one of, see `KINDS` of the
    tests.
    """

    name: str
    says: str
    breaks: str
    caught_by: tuple[str, ...]
    changes: tuple[Change, ...]
    hangs: bool = False
    kind: str = ""


class Catch(NamedTuple):
    """What became of a bug: the test that went red, or what pytest said instead."""

    bug: Bug
    by: str
    seconds: float
    said: str

    @property
    def is_caught(self) -> bool:
        return bool(self.by)


def bugs() -> list[Bug]:
    """Return every record, by name."""
    found = []
    for path in sorted(RECORDS.glob("*.toml")):
        record = tomllib.loads(path.read_text(encoding="utf-8"))
        changes = tuple(Change(**change) for change in record.pop("change"))
        found.append(Bug(name=path.stem, changes=changes, caught_by=tuple(record.pop("caught_by")), **record))
    return found


def seeded(bug: Bug, root: Path) -> dict[Path, str]:
    """Return the text of each file with the bug in it. Raises ValueError where it does not fit any more."""
    texts: dict[Path, str] = {}
    for change in bug.changes:
        path = root / change.file
        text = texts.get(path) or path.read_text(encoding="utf-8")
        if text.count(change.find) != 1:
            raise ValueError(f"{bug.name}: {change.file} holds its place {text.count(change.find)} times, not once")
        texts[path] = text.replace(change.find, change.put)
    return texts


@contextmanager
def copy() -> Iterator[Path]:
    """A copy of the repository that may be spoiled."""
    with tempfile.TemporaryDirectory(prefix="bugs-") as folder:
        root = Path(folder)
        for name in COPIED:
            source = REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("bugs"))
            else:
                shutil.copy2(source, root / name)
        yield root


def hunt(bug: Bug, root: Path) -> Catch:
    """Run the tests of a bug in a copy that has it; the copy is sound again afterwards."""
    began = time.monotonic()
    texts = seeded(bug, root)
    sound = {path: path.read_text(encoding="utf-8") for path in texts}
    try:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        said = ""
        for selection in bug.caught_by:
            code, said = _pytest(selection, root, HANGS_S if bug.hangs else WITHIN_S)
            if "+ Timeout +" in said and not bug.hangs:
                break  # a slow machine catches nothing
            if code not in (0, CAUGHT):
                break  # not a test that is red but one that cannot be run
            if code == CAUGHT:
                return Catch(bug, _first_red(said) or selection, time.monotonic() - began, said)
        return Catch(bug, "", time.monotonic() - began, said)
    finally:
        for path, text in sound.items():
            path.write_text(text, encoding="utf-8")


def _pytest(selection: str, root: Path, within_s: int) -> tuple[int, str]:
    # The copy brings its bytecode along and none is written: a file that changes twice within a second would be taken
    # for its own older version.
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "TRADEBOT_", "COV_"))}
    env |= {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider",
               "-W", "ignore", f"--timeout={within_s}", "--timeout-method=thread", *selection.split()]  # fmt: skip
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def _first_red(said: str) -> str:
    lines = (line.split() for line in said.splitlines() if line.startswith(("FAILED ", "ERROR ")))
    return next((words[1] for words in lines), "")


def hunt_all(chosen: Sequence[Bug], *, at_once: int) -> Iterator[Catch]:
    """Yield what became of each bug, as they come; each of `at_once` hunters has a copy of its own."""
    with ThreadPoolExecutor(at_once) as pool:
        roots: SimpleQueue[Path] = SimpleQueue()
        copies = [copy() for _ in range(at_once)]
        try:
            for one in copies:
                roots.put(one.__enter__())

            def one_bug(bug: Bug) -> Catch:
                root = roots.get()
                try:
                    return hunt(bug, root)
                finally:
                    roots.put(root)

            yield from pool.map(one_bug, chosen)
        finally:
            for one in copies:
                one.__exit__(None, None, None)


def main(names: Sequence[str]) -> int:
    """Hunt the bugs named, or all of them; returns 1 when one got away."""
    known = {bug.name: bug for bug in bugs()}
    if unknown := sorted(set(names) - known.keys()):
        Console(stderr=True).print(f"there is no bug {', '.join(unknown)}; they are the files of {RECORDS}")
        return 2
    chosen = [known[name] for name in names] or list(known.values())
    table = Table("bug", "breaks", "caught by", "s", title=f"{len(chosen)} seeded bugs")
    away = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("hunting", total=len(chosen))
        for catch in hunt_all(chosen, at_once=max(1, min(4, os.cpu_count() or 1))):
            progress.advance(task)
            if not progress.console.is_terminal:
                where = f"{catch.seconds:5.1f} s  " + (catch.by if catch.is_caught else "got away")
                progress.console.print(f"{catch.bug.name}: {where}", markup=False, soft_wrap=True)
            by = catch.by if catch.is_caught else "[red]nobody[/red]"
            table.add_row(catch.bug.name, catch.bug.breaks, by, f"{catch.seconds:.1f}")
            if not catch.is_caught:
                away.append(catch)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    for catch in away:
        console.print(f"\n{catch.bug.name} got away: {catch.bug.says}\n{catch.said[-1500:]}", markup=False)
    console.print(f"{len(chosen) - len(away)} of {len(chosen)} caught")
    return 1 if away else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
