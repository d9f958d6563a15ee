"""Which tests run which line: of a mutant only those need to be asked that run the line it changes.

Coverage notes the lines with the test that ran them. What a module does while it is imported no test can be named for.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import coverage
import pytest

IMPORTING = ""  # the name of what runs no test


class Reach(NamedTuple):
    """File -> line -> names of the tests that ran it, IMPORTING among them, and how long each test took in seconds."""

    lines: Mapping[str, Mapping[int, Iterable[str]]]
    seconds: Mapping[str, float]

    def of(self, path: Path, line: int) -> tuple[list[str], bool]:
        """Return the tests that run the statement at a line, quickest first, and whether others may notice it too."""
        known = self.lines.get(str(path), {})
        found = {name for own in _own_lines(path, line) for name in known.get(own, ())}
        tests = sorted(found - {IMPORTING}, key=lambda name: (self.seconds.get(name, 0.0), name))
        return tests, IMPORTING in found


class _Names:
    # Tells coverage which test runs, its fixtures included; parameters of one test count as one.

    def __init__(self, measured: coverage.Coverage) -> None:
        self._measured = measured
        self.seconds: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._measured.switch_context(_name_of(item.nodeid))
        try:
            return (yield)
        finally:
            self._measured.switch_context(IMPORTING)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[_name_of(report.nodeid)] += report.duration


def measure(sources: Sequence[str], run: Callable[[object], object]) -> Reach:
    """Return what the tests reach that `run` runs; it is given a plugin of pytest. `sources` are folders."""
    measured = coverage.Coverage(data_file=None, source=list(sources), config_file=False)
    names = _Names(measured)
    measured.start()
    run(names)
    measured.stop()
    data = measured.get_data()
    lines = {path: dict(data.contexts_by_lineno(path)) for path in data.measured_files()}
    return Reach(lines, dict(names.seconds))


def _name_of(node_id: str) -> str:
    return node_id.partition("[")[0]


def _own_lines(path: Path, line: int) -> set[int]:
    # The lines of the innermost statement that holds a line, without those of the statements inside it.
    found: set[int] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            lines = _span(node)
            for inner in ast.walk(node):
                if isinstance(inner, ast.stmt) and inner is not node:
                    lines -= _span(inner)
            if line in lines:
                found = lines
    return found


def _span(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
