"""The rules of the house, read from the sources themselves; a finding is `file:line: rule; remedy`.

Each rule is also shown a few lines that break it, so that a rule which no longer sees anything turns red.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import shape

ROOT = Path(__file__).resolve().parent.parent

# A file imports from lower floors and its own package; ALONGSIDE lists the neighbours that may be used on one floor.
FLOORS = (
    ("errors", "clock", "printable", "section", "torn_line"),
    ("domain",),
    ("indicators", "markets"),
    ("strategies", "exchange", "journal", "store", "history", "ops", "checker"),
    ("venues", "notify"),
    ("trading", "backtest", "paper"),
    ("control", "metrics", "web", "sweep"),
    ("config",),
    ("daemon", "replay"),
    ("app", "doctor"),
    ("simulation", "printing"),
    ("cli", "bench", "__main__"),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
ALONGSIDE = {
    ("clock", "errors"),
    ("store", "journal"),
    ("store", "ops"),
    ("backtest", "trading"),
    ("history", "journal"),
    ("history", "store"),
    ("cli", "bench"),
    ("__main__", "cli"),
    ("bench", "cli"),
}
ONLY = {  # package -> all it may import of us
    "strategies": {"strategies", "indicators", "domain", "errors", "clock"},
    "venues": {"venues", "exchange", "domain", "errors", "clock", "markets", "ops", "section"},  # exchange: see SERVER
    "paper": {"paper", "venues", "exchange", "domain", "errors", "clock", "markets", "ops"},
    "notify": {"notify", "ops", "errors", "clock", "printable"},  # reads status and events, never the desk
    "domain": {"domain", "errors", "clock"},
    "checker": {"checker", "domain", "errors", "clock"},  # a witness that asked the journal would be no witness
}
# The one place of a venue that knows the exchange: what trades must not be able to ask the market behind the wire.
SERVER = re.compile(r"tradebot/venues/\w+/server/")
DOMAIN_LIBRARIES = {"msgspec", "numpy"}

BANNED_WORDS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager", "handler", "service", "core",
                "impl"}  # fmt: skip
CLOCK = "take a Clock and ask it"
BANNED_CALLS = {  # dotted name -> remedy
    **{f"time.{name}": CLOCK for name in (
        "time", "time_ns", "monotonic", "monotonic_ns", "sleep", "perf_counter", "perf_counter_ns",
    )},
    "datetime.datetime.now": CLOCK, "datetime.datetime.utcnow": CLOCK, "datetime.datetime.today": CLOCK,
    "datetime.date.today": CLOCK,
    "asyncio.sleep": "await clock.sleep(seconds)",
    "asyncio.wait_for": "async with asyncio.timeout(seconds); wait_for swallows a cancel on 3.11",
    "asyncio.gather": "use a TaskGroup",
    "asyncio.create_task": "use a TaskGroup", "asyncio.ensure_future": "use a TaskGroup",
    "loop.create_task": "use a TaskGroup",
    "uuid.uuid4": "ids are pure functions of inputs", "uuid.uuid1": "ids are pure functions of inputs",
    "print": "say or aside of printing.py, a log line elsewhere",
    **{f"click.{name}": "what others wrote may hold any letters: use printing.py" for name in (
        "echo", "secho", "confirm", "prompt", "echo_via_pager",
    )},
}  # fmt: skip
# What tests may not do either.
BANNED_IN_TESTS = {"asyncio.wait_for", "asyncio.gather", "time.sleep", "uuid.uuid4", "uuid.uuid1"}
# (file, rule) -> why the rule does not hold there.
EXCEPTIONS = {
    ("tradebot/doctor/examination.py", "except Exception"): "a check that fails is a finding: it hides no other",
    ("tradebot/simulation/loop.py", "except Exception"): "what work in a thread raises is for whoever awaits it",
    ("tradebot/trading/analysis/worker.py", "except Exception"): "strategies are others' code; what they raise is data",
}
TEXT_RULES = (
    (r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b", "an open end", "finish it or leave it out"),
    (r"/wo" r"rk/", "a path of one machine", "say it relative to the repository"),
    (r"py" r"pi\.org|python" r"hosted|npm" r"js\.(?:org|com)|proxy\.go" r"lang|--index-" r"url",
     "a package registry", "the installer's own configuration names it"),
)  # fmt: skip


class Finding(NamedTuple):
    place: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}; {self.remedy}"


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0 and listed.stdout:
        files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        files = [*ROOT.glob("*"), *(ROOT / "tradebot").rglob("*"), *(ROOT / "tests").rglob("*")]
    frozen = ROOT / "tests/oracle/vendor"  # the desk of an earlier commit, to the letter
    return sorted(
        f for f in files if f.is_file() and "__pycache__" not in f.parts and not f.is_relative_to(frozen)
    )  # fmt: skip


@cache
def sources(folder: str) -> dict[str, ast.Module]:
    return {
        f.relative_to(ROOT).as_posix(): ast.parse(f.read_text(encoding="utf-8"))
        for f in tracked()
        if f.suffix == ".py" and f.is_relative_to(ROOT / folder)
    }


def module_of(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(name: str, tree: ast.Module, known: frozenset[str]) -> Iterator[tuple[int, str]]:
    package = module_of(name) if name.endswith("/__init__.py") else module_of(name).rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
            source = ".".join(filter(None, (above, node.module))) if node.level else node.module or ""
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield node.lineno, inner if inner in known else source


def floor_findings(trees: dict[str, ast.Module]) -> Iterator[Finding]:
    known = frozenset(map(module_of, trees))
    for name, tree in trees.items():
        own = [*module_of(name).split("."), ""][1]
        if not own:
            continue
        if own not in FLOOR:
            yield Finding(f"{name}:1", f"'{own}' has no floor", "give it one in FLOORS of tests/test_house.py")
            continue
        for line, target in imports(name, tree, known):
            yield from _one_import(name, own, line, target.split("."))


def _one_import(name: str, own: str, line: int, target: list[str]) -> Iterator[Finding]:
    place, whole = f"{name}:{line}", ".".join(target)
    if target[0] != "tradebot":
        if own == "domain" and target[0] not in sys.stdlib_module_names | DOMAIN_LIBRARIES:
            yield Finding(place, f"domain imports {whole}", "only the standard library, numpy and msgspec")
        return
    their = target[1] if len(target) > 1 else ""
    if not their or their == own:
        ours, theirs = name.split("/")[2:-1][:1], target[2:3]
        is_folder = len(target) > 3 or (ROOT / "tradebot" / "venues" / "".join(theirs)).is_dir()
        if own == "venues" and their and ours and theirs and ours != theirs and is_folder:
            yield Finding(place, f"a venue imports {whole}", "move what both need to venues/")
        return
    if own == "venues" and their == "exchange" and not SERVER.match(name):
        yield Finding(place, f"a venue's client imports {whole}", "only its server/ may know the exchange")
    elif own in ONLY and their not in ONLY[own]:
        yield Finding(place, f"{own} imports {whole}", f"it may use only {', '.join(sorted(ONLY[own]))}")
    elif FLOOR.get(their, 99) >= FLOOR[own] and (own, their) not in ALONGSIDE:
        yield Finding(place, f"{own} imports {whole}", "import only from lower floors; hand the value in instead")


def circle_findings(trees: dict[str, ast.Module]) -> Iterator[Finding]:
    known = frozenset(map(module_of, trees))
    graph = {
        module_of(name): sorted({target for _, target in imports(name, tree, known) if target in known})
        for name, tree in trees.items()
    }
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> Iterator[Finding]:
        if module in path:
            circle = " > ".join((*path[path.index(module) :], module))
            yield Finding(module, f"a circle of imports: {circle}", "move what both need down")
        elif module not in done:
            for target in graph[module]:
                yield from walk(target, (*path, module))
            done.add(module)

    for module in graph:
        yield from walk(module, ())


def name_findings(name: str, tree: ast.Module) -> Iterator[Finding]:
    remedy = "name it after what it is in the trade"
    for part in Path(name).parts:
        if part.removesuffix(".py").removeprefix("test_") in BANNED_WORDS:
            yield Finding(f"{name}:1", f"the name '{part}'", remedy)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            words = {w.lower() for w in re.findall(r"[A-Z][a-z0-9]*", node.name)}
            if words & BANNED_WORDS or re.match(r"_?(?:I[A-Z][a-z]|Abstract[A-Z])", node.name):
                yield Finding(f"{name}:{node.lineno}", f"the class name {node.name}", remedy)


def docstring_findings(name: str, tree: ast.Module) -> Iterator[Finding]:
    text = ast.get_docstring(tree, clean=False) or ""
    if not tree.body or tree.body[0].lineno != 1 or len(text.split("\n")[0].strip()) < 20:
        yield Finding(f"{name}:1", "no first-line docstring", "say in one line what the file is and where it stands")


def call_findings(name: str, tree: ast.Module) -> Iterator[Finding]:
    in_tests = name.startswith("tests/")
    allowed = {
        "tradebot/clock.py": {*(k for k, v in BANNED_CALLS.items() if v == CLOCK), "asyncio.sleep"},
        "tradebot/printing.py": {"click.echo", "click.confirm"},
    }.get(name, set())
    if name.startswith(("tradebot/bench/", "tradebot/cli/bench/")):
        allowed = {"time.perf_counter", "time.perf_counter_ns"}
    aliases = _aliases(tree)
    for node in ast.walk(tree):
        place = f"{name}:{getattr(node, 'lineno', 1)}"
        if isinstance(node, ast.Name | ast.Attribute):
            called = _dotted(node, aliases)
            if called in BANNED_CALLS and called not in allowed and (not in_tests or called in BANNED_IN_TESTS):
                yield Finding(place, called, BANNED_CALLS[called])
        if isinstance(node, ast.Import | ast.ImportFrom) and any(
            (a.name if isinstance(node, ast.Import) else node.module) == "random" for a in node.names
        ):
            yield Finding(place, "the random module", "take a seeded numpy Generator")
        if in_tests:
            continue
        if isinstance(node, ast.ExceptHandler) and _is_broad(node) and (name, "except Exception") not in EXCEPTIONS:
            yield Finding(place, "except Exception", "catch what you mean")
        if isinstance(node, ast.ImportFrom | ast.Import) and any(a.name == "TYPE_CHECKING" for a in node.names):
            yield Finding(place, "TYPE_CHECKING", "import it, or move what both need down")


def _aliases(tree: ast.Module) -> dict[str, str]:
    known = {"loop": "loop"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {
                a.asname or a.name.split(".")[0]: a.name if a.asname else a.name.split(".")[0] for a in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            known |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return known


def _dotted(node: ast.expr, aliases: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Call) and node.attr == "create_task":
            inner = _dotted(node.value.func, aliases)
            return "loop.create_task" if inner.startswith("asyncio.get_") else ""
        inner = _dotted(node.value, aliases)
        return f"{inner}.{node.attr}" if inner else ""
    if isinstance(node, ast.Name):
        return aliases.get(node.id, node.id if node.id == "print" else "")
    return ""


def _is_broad(node: ast.ExceptHandler) -> bool:
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    names = {getattr(c, "id", "") if c is not None else "BaseException" for c in caught}
    raises_again = bool(node.body) and isinstance(node.body[-1], ast.Raise)
    return "Exception" in names or ("BaseException" in names and not raises_again)


def size_findings(
    name: str, tree: ast.Module, lines: int, *, file_limit: int, function_limit: int
) -> Iterator[Finding]:
    if lines > file_limit:
        yield Finding(f"{name}:1", f"{lines} lines, more than {file_limit}", "split it where it does two things")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > function_limit:
                place = f"{name}:{node.lineno}"
                yield Finding(place, f"{node.name} has {length} lines, more than {function_limit}", "split it")


def text_findings(name: str, text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), 1):
        for pattern, rule, remedy in TEXT_RULES:
            if re.search(pattern, line):
                yield Finding(f"{name}:{number}", rule, remedy)


# Lines that name one venue or one country outside `venues/kite` and `markets`. It may only sink.
LINES_OF_ONE_PLACE = 6
# What can send an order, and the only files that may name it: the venue's adapter, the benchmarks. An adapter builds it
# for the session of a run and for the kill switch.
ORDER_ROUTES = {"KiteVenue", "KiteBroker", "OrderSession"}
ROUTE_BUILDERS = ("tradebot/venues/kite/", "tradebot/bench/")
ADAPTERS_BUILD = {
    "build_trading_venue": "tradebot/daemon/venue/venue_session.py",
    "build_kill_broker": "tradebot/cli/control/kill.py",
}


def route_findings(name: str, tree: ast.Module) -> Iterator[Finding]:
    if name.startswith(ROUTE_BUILDERS):
        return
    for node in ast.walk(tree):
        named = {node.id} if isinstance(node, ast.Name) else {node.attr} if isinstance(node, ast.Attribute) else set()
        if isinstance(node, ast.ImportFrom):
            named = {alias.name for alias in node.names}
        for found in sorted(named & ORDER_ROUTES):
            yield Finding(
                f"{name}:{node.lineno}", f"{found} can send orders", "read with what `build_read_only_venue` returns"
            )
        for found in sorted(named & ADAPTERS_BUILD.keys()):
            if name != ADAPTERS_BUILD[found]:
                yield Finding(
                    f"{name}:{node.lineno}", f"{found} builds an order route", f"only {ADAPTERS_BUILD[found]} may"
                )


# What several test files use stands in a module of its own; a program in a string imports as well.
IMPORTED_IN_TEXT = re.compile(r"^[ \t]*(?:from|import)[ \t]+(tests\.(?:\w+\.)*test_\w+)", re.MULTILINE)


def rig_findings(name: str, tree: ast.Module) -> Iterator[Finding]:
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    in_texts = ((node.lineno, found) for node in texts for found in IMPORTED_IN_TEXT.findall(node.value))
    for line, found in (*shape.imported_names(tree), *in_texts):
        if re.fullmatch(r"(?:tests\.(?:\w+\.)*)?test_\w+", found):
            yield Finding(f"{name}:{line}", f"imports {found}", "move what both need to a module named for what it is")


def agree(findings: Iterator[Finding]) -> None:
    found = sorted(set(map(str, findings)))
    assert not found, "\n" + "\n".join(found)


def both() -> dict[str, ast.Module]:
    return sources("tradebot") | sources("tests")


def test_files_import_only_from_lower_floors() -> None:
    agree(floor_findings(sources("tradebot")))


def test_there_is_no_circle_of_imports() -> None:
    agree(circle_findings(sources("tradebot")))


def test_every_file_opens_with_its_one_line() -> None:
    agree(f for name, tree in both().items() for f in docstring_findings(name, tree))


def test_names_say_what_things_are() -> None:
    agree(f for name, tree in both().items() for f in name_findings(name, tree))


def test_no_banned_call_is_made() -> None:
    agree(f for name, tree in both().items() for f in call_findings(name, tree))


def test_no_file_imports_from_a_test_file() -> None:
    agree(f for name, tree in sources("tests").items() for f in rig_findings(name, tree))


def test_order_routes_are_built_in_one_place() -> None:
    agree(f for name, tree in sources("tradebot").items() for f in route_findings(name, tree))
    for build, place in ADAPTERS_BUILD.items():
        nodes = ast.walk(sources("tradebot")[place])
        assert len([n for n in nodes if isinstance(n, ast.Attribute) and n.attr == build]) == 1


def test_one_venue_and_one_country_are_named_where_they_live() -> None:
    found = list(shape.lines_of_one_place())
    assert len(found) <= LINES_OF_ONE_PLACE, "ask the venue's adapter or the instrument's market\n" + "\n".join(found)
    assert len(found) > LINES_OF_ONE_PLACE - 10, f"now {len(found)}: let LINES_OF_ONE_PLACE sink, too"


@pytest.mark.parametrize(
    ("line", "is_bad"),
    [
        ("from tradebot.clock import IST", True), ("IST_OFFSET = 1", True), ("class KiteRest:", True), ("'MIS'", True),
        ("exchange = 'NSE'", True), ("# in rupees", True), ("LIST, EXISTS = 1, 2", False), ("# promises", False),
    ],
)  # fmt: skip
def test_the_count_knows_what_is_of_one_place(line: str, is_bad: bool) -> None:
    assert bool(shape.OF_ONE_PLACE.search(line)) is is_bad


def test_functions_and_files_stay_small() -> None:
    hard, soft = [], []
    for name, tree in sources("tradebot").items():
        lines = (ROOT / name).read_text(encoding="utf-8").count("\n")
        hard += size_findings(name, tree, lines, file_limit=400, function_limit=80)
        soft += size_findings(name, tree, lines, file_limit=300, function_limit=60)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        for finding in sorted(set(map(str, soft)) - set(map(str, hard))):
            warnings.warn(finding, stacklevel=1)
    agree(iter(hard))


def test_no_file_holds_an_open_end_a_machine_path_or_a_registry() -> None:
    found: list[Finding] = []
    for file in tracked():
        raw = file.read_bytes()
        if b"\0" not in raw[:8192]:
            found += text_findings(file.relative_to(ROOT).as_posix(), raw.decode("utf-8", "replace"))
    agree(iter(found))


BREAKS = {
    "import time\ntime.time()": "time.time",
    "from time import monotonic as m\nm()": "time.monotonic",
    "from datetime import datetime\ndatetime.now()": "datetime.datetime.now",
    "import datetime as d\nd.datetime.now()": "datetime.datetime.now",
    "import asyncio\nasyncio.sleep(1)": "asyncio.sleep",
    "from asyncio import wait_for\nwait_for(x, 1)": "asyncio.wait_for",
    "import asyncio\nasyncio.gather()": "asyncio.gather",
    "import asyncio\nasyncio.get_running_loop().create_task(x)": "loop.create_task",
    "loop.create_task(x)": "loop.create_task",
    "import random": "the random module",
    "from uuid import uuid4\nuuid4()": "uuid.uuid4",
    "print(1)": "print",
    "import click\nclick.echo(x)": "click.echo",
    "from click import confirm\nconfirm(x)": "click.confirm",
    "from typing import TYPE_CHECKING": "TYPE_CHECKING",
    "try:\n    pass\nexcept Exception:\n    pass": "except Exception",
    "try:\n    pass\nexcept (ValueError, Exception):\n    pass": "except Exception",
    "try:\n    pass\nexcept:\n    pass": "except Exception",
}


@pytest.mark.parametrize(("source", "rule"), BREAKS.items(), ids=BREAKS.values())
def test_the_call_rule_sees_what_breaks_it(source: str, rule: str) -> None:
    assert rule in {f.rule for f in call_findings("tradebot/x.py", ast.parse(source))}


@pytest.mark.parametrize(
    "source",
    ["async with asyncio.TaskGroup() as group:\n    group.create_task(x)", "clock.sleep(1)", "self.time()",
     "try:\n    pass\nexcept BaseException:\n    raise"],
)  # fmt: skip
def test_the_call_rule_lets_good_code_pass(source: str) -> None:
    assert not list(call_findings("tradebot/x.py", ast.parse(source)))


@pytest.mark.parametrize(
    ("name", "source", "is_bad"),
    [
        ("tradebot/domain/x.py", "from tradebot.venues import venue", True),
        ("tradebot/domain/x.py", "import pandas", True),
        ("tradebot/domain/x.py", "import numpy", False),
        ("tradebot/venues/kite/x.py", "from tradebot.trading.bar_builder import Bars", True),
        ("tradebot/venues/kite/x.py", "from tradebot.venues.alpaca.wire import parse", True),
        ("tradebot/venues/kite/x.py", "from tradebot.venues.venue import Feed", False),
        ("tradebot/venues/kite/server/x.py", "from tradebot.exchange.exchange import Exchange", False),
        ("tradebot/venues/kite/server/x.py", "from tradebot.venues.kite.rules import LIMITS", False),
        ("tradebot/venues/kite/x.py", "from tradebot.exchange.exchange import Exchange", True),
        ("tradebot/strategies/x.py", "from tradebot.markets import calendar", True),
        ("tradebot/exchange/x.py", "from tradebot.venues.venue import Feed", True),
        ("tradebot/trading/x.py", "from tradebot.config import load", True),
        ("tradebot/app.py", "from tradebot.config import load", False),
        ("tradebot/novelty.py", "", True),
    ],
)
def test_the_floor_rule_tells_up_from_down(name: str, source: str, is_bad: bool) -> None:
    assert bool(list(floor_findings({name: ast.parse(source)}))) is is_bad


def test_the_other_rules_see_what_breaks_them() -> None:
    circle = {"tradebot/a.py": ast.parse("import tradebot.b"), "tradebot/b.py": ast.parse("from tradebot import a")}
    long_one = ast.parse("def f():\n" + "    x = 1\n" * 81)

    assert list(circle_findings(circle))
    assert list(docstring_findings("tradebot/a.py", ast.parse("import os")))
    assert list(name_findings("tradebot/utils.py", ast.parse("")))
    assert list(name_findings("tradebot/a.py", ast.parse("class OrderManager: ...")))
    assert list(size_findings("tradebot/a.py", long_one, 82, file_limit=400, function_limit=80))
    assert list(route_findings("tradebot/app.py", ast.parse("from tradebot.venues.kite.venue import KiteVenue")))
    assert list(route_findings("tradebot/app.py", ast.parse("kite.KiteBroker()")))
    assert list(route_findings("tradebot/app.py", ast.parse("room.build_trading_venue(access)")))
    assert list(rig_findings("tests/a.py", ast.parse("from tests.b.test_" + "c import bars")))
    assert list(rig_findings("tests/a.py", ast.parse("from tests.b import test_c")))
    assert list(rig_findings("tests/a.py", ast.parse("from .test_c import bars")))
    assert list(rig_findings("tests/a.py", ast.parse("import tests.b.test_" + "c as c")))
    assert list(rig_findings("tests/a.py", ast.parse("PROGRAM = 'import os\\nfrom tests.b.test_" + "c import bars'")))
    assert not list(rig_findings("tests/a.py", ast.parse("from tests.b.bars_by_hand import bars")))
    assert not list(rig_findings("tests/a.py", ast.parse("from aiohttp.test_utils import TestServer")))
    assert list(text_findings("a", "# TO" + "DO later"))


def test_no_two_test_files_share_a_name() -> None:
    # Tests are no packages, so the runner knows a file by its name alone.
    names = Counter(Path(name).name for name in sources("tests") if Path(name).name.startswith("test_"))
    assert [name for name, count in names.items() if count > 1] == []
