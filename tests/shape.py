"""The shape of the code in figures: the desk's parts and imports, what is too large, how things are called.

python -m tests.shape [--places]

`make check` runs it. A figure above its limit fails; where one sinks its limit sinks with it, and no limit is raised.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests import naming

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tradebot"
DESK = PACKAGE / "trading/desk"
COMPLEX = 15
COMPLEX_IN = ("trading", "backtest", "domain", "checker")
MOST_PARAMETERS = 8
MOST_ATTRIBUTES = 15
# What belongs to one venue or to one country, and the folders that may say it; data is no Python.
OF_ONE_PLACE = re.compile(r"(?i:kite|zerodha|rupee)|(?<![A-Za-z])(?:IST|NSE|MIS)(?![A-Za-z])")
MAY_SAY_IT = (PACKAGE / "venues/kite", PACKAGE / "markets")


class Figure(NamedTuple):
    """One count with the places that make it, and the most that it may be, None where it is told alone."""

    what: str
    count: int
    places: list[str]
    most: int | None = None


def figures() -> Iterator[Figure]:
    """Yield every figure."""
    modules, arrows = imports(DESK)
    yield Figure("modules of the desk", len(modules), sorted(modules))
    yield Figure("imports among them", len(arrows), sorted(f"{one} > {other}" for one, other in arrows))
    room = {module: module.partition(".")[0] for module in modules}
    between = {(room[one], room[other]) for one, other in arrows if room[one] != room[other]}
    yield Figure("rooms, a folder as one", len(set(room.values())), [], 11)
    yield Figure("arrows between them", len(between), [f"{one} > {other}" for one, other in sorted(between)], 22)
    floors = floors_of(set(room.values()), between)
    yield Figure("floors", len(floors), [f"{number}: {', '.join(floor)}" for number, floor in enumerate(floors)], 7)
    reaches = list(reaches_into_the_desk())
    yield Figure("reaches into the desk's parts from outside", len(reaches), reaches, 0)
    yield Figure("files that reach", len({place.partition(":")[0] for place in reaches}), [])
    yield Figure("imports of the desk's modules from outside", *counted(imports_of_the_desk()))
    yield Figure(f"functions of a complexity above {COMPLEX}", *counted(complex_functions()), 0)
    yield Figure(f"constructors with more than {MOST_PARAMETERS} parameters", *counted(wide_constructors()), 1)
    yield Figure(f"classes with more than {MOST_ATTRIBUTES} attributes", *counted(large_classes()), 1)
    named = list(lines_of_one_place())
    yield Figure("lines that name one venue or one country outside its folders", len(named), named)
    yield Figure("files that do", len({place.partition(":")[0] for place in named}), [])
    yield Figure("lines that are not formatted", *counted(unformatted_lines()), 30)
    trees = named_trees(PACKAGE)
    yield Figure("of 100 public functions have a name of one word", round(100 * naming.one_word_share(trees)), [], 15)
    yield Figure("tenths of a letter in the mean name of a public function", round(10 * naming.mean_length(trees)), [])
    yield Figure("class names that stand in two packages", *counted(naming.shared_class_names(trees)), 0)
    yield Figure(f"verbs with more than {naming.MOST_OWNERS} owners", *counted(naming.crowded_verbs(trees)), 0)
    yield Figure("public functions without a docstring", *counted(naming.undocumented(trees)), 0)


def counted(places: Iterator[str]) -> tuple[int, list[str]]:
    found = list(places)
    return len(found), found


@cache
def sources(folder: Path) -> dict[Path, ast.Module]:
    files = (file for file in sorted(folder.rglob("*.py")) if "__pycache__" not in file.parts)
    return {file: ast.parse(file.read_text("utf-8")) for file in files}


def named_trees(folder: Path) -> dict[str, ast.Module]:
    """Return the path from the root -> the tree of each file of a folder."""
    return {file.relative_to(ROOT).as_posix(): tree for file, tree in sources(folder).items()}


def imports(folder: Path) -> tuple[set[str], set[tuple[str, str]]]:
    """Return the modules of a package by their names in it, and which imports which."""
    named = {
        ".".join(file.relative_to(folder).with_suffix("").parts): tree
        for file, tree in sources(folder).items()
        if file.name != "__init__.py"
    }
    package = ".".join(folder.relative_to(ROOT).parts)
    arrows = {
        (name, other)
        for name, tree in named.items()
        for _, imported in imported_names(tree)
        if (other := imported.removeprefix(f"{package}.")) in named and other != name
    }
    return set(named), arrows


def imported_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each import: `a` and `a.b` for `from a import b`; dots in front are left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, alias.name) for alias in node.names)


def floors_of(rooms: set[str], arrows: set[tuple[str, str]]) -> list[list[str]]:
    """Return the rooms by the longest way down from them, those that need no other first; a circle ends it."""
    height: dict[str, int] = {}
    left = set(rooms)
    while ready := {room for room in left if all(other in height for one, other in arrows if one == room)}:
        for room in ready:
            height[room] = 1 + max((height[other] for one, other in arrows if one == room), default=-1)
        left -= ready
    floors = [sorted(room for room in height if height[room] == n) for n in sorted(set(height.values()))]
    return [*floors, [f"a circle of {', '.join(sorted(left))}"]] if left else floors


def reaches_into_the_desk() -> Iterator[str]:
    """Yield each use of a part of a desk, such as its book or its rules, in a file outside the desk.

    What a walk calls its desk is the backtest's own, `BacktestDesk`.
    """
    parts = _parts_of_the_desk()
    for file, tree in sources(PACKAGE).items():
        if file.is_relative_to(DESK) or file.is_relative_to(PACKAGE / "backtest"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in parts and _is_desk(node.value):
                yield f"{file.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)}"


def _parts_of_the_desk() -> set[str]:
    # What a desk shows of itself, `self.book, self.rules = book, rules`, but for the view that is there to be read.
    tree = sources(PACKAGE)[DESK / "desk.py"]
    shown = (t.attr for node in ast.walk(tree) for t in _targets(node) if isinstance(t, ast.Attribute))
    return {name for name in shown if not name.startswith("_")} - {"account"}


def _is_desk(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name.lstrip("_") == "desk"


def imports_of_the_desk() -> Iterator[str]:
    """Yield each import of a module of the desk in a file outside it."""
    for file, tree in sources(PACKAGE).items():
        for node in ast.walk(tree) if not file.is_relative_to(DESK) else ():
            if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("tradebot.trading.desk."):
                names = ", ".join(alias.name for alias in node.names)
                yield f"{file.relative_to(ROOT)}:{node.lineno} {node.module}: {names}"


def complex_functions() -> Iterator[str]:
    """Yield the functions that ruff finds too complex."""
    config = f"lint.mccabe.max-complexity={COMPLEX}"
    folders = [str(PACKAGE / name) for name in COMPLEX_IN]
    ruff = str(Path(sys.executable).with_name("ruff"))
    command = [ruff, "check", "--no-cache", "--select", "C901", "--config", config, "--output-format", "concise"]
    said = subprocess.run([*command, *folders], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    for line in said.splitlines():
        if found := re.match(r"(?P<place>\S+:\d+):\d+: C901 `(?P<name>\S+)` is too complex \((?P<much>\d+)", line):
            place = Path(found["place"])
            yield f"{place.relative_to(ROOT) if place.is_absolute() else place} {found['name']} {found['much']}"


def wide_constructors() -> Iterator[str]:
    """Yield the constructors with more parameters than a reader holds."""
    for file, node in _classes():
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                a = method.args
                count = len(a.posonlyargs) + len(a.args) + len(a.kwonlyargs) - 1
                if count > MOST_PARAMETERS:
                    yield f"{file.relative_to(ROOT)}:{method.lineno} {node.name} {count}"


def large_classes() -> Iterator[str]:
    """Yield the classes whose methods set more attributes than a reader holds; records of fields do not count."""
    for file, node in _classes():
        found = {
            target.attr
            for inner in ast.walk(node)
            for target in _targets(inner)
            if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
        }
        if len(found) > MOST_ATTRIBUTES:
            yield f"{file.relative_to(ROOT)}:{node.lineno} {node.name} {len(found)}"


def lines_of_one_place() -> Iterator[str]:
    """Yield each line that names Kite, NSE, Indian time, rupees or MIS where neither a venue nor a market lives."""
    for file in sources(PACKAGE):
        if not any(file.is_relative_to(folder) for folder in MAY_SAY_IT):
            for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
                if OF_ONE_PLACE.search(line):
                    yield f"{file.relative_to(ROOT)}:{number} {line.strip()}"


def unformatted_lines() -> Iterator[str]:
    """Yield each line that the formatter is told to skip; a table may gain by it."""
    for file in sources(PACKAGE):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if "fmt: " + "skip" in line:
                yield f"{file.relative_to(ROOT)}:{number}"


def _classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    for file, tree in sources(PACKAGE).items():
        yield from ((file, node) for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _targets(node: ast.AST) -> Iterator[ast.expr]:
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        left = list(node.targets) if isinstance(node, ast.Assign) else [node.target]
        while left:
            target = left.pop()
            if isinstance(target, ast.Tuple):
                left += target.elts
            else:
                yield target


def main() -> int:
    """Say the figures, with `--places` every place; those above their limit always, and 1 for them."""
    has_risen = False
    for what, count, places, most in figures():
        is_above = most is not None and count > most
        sys.stdout.write(f"{count:5}  {what}{f', above {most}' if is_above else ''}\n")
        if "--places" in sys.argv or is_above:
            sys.stdout.writelines(f"         {place}\n" for place in places)
        has_risen |= is_above
    return int(has_risen)


if __name__ == "__main__":
    sys.exit(main())
