"""Types what the documents show, in their order, and tells what does not do what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from tests.documents.house import House, Said
from tests.documents.lint import faults
from tests.documents.typed import Typed, simple

# What cannot run here, and why: its verbs, options, targets and files are looked at instead.
ELSEWHERE = (
    (r"make (?:test|prove|check|format|bugs|mutants|proof-long|simulate-long)\b", "the tests themselves, or hours"),
    (r"make (?:sdk-env|rivals-env|vendor-js|lock|audit|sbom)\b", "installs packages, or looks at what is installed"),
    (r"make$", "lists its targets; `tests/cli/test_front_door.py` reads them"),
    (r"tradebot service print \| sudo tee ", "wants root and systemd"),
    (r"tradebot data accept SYMBOL DATE", "wants a split in the history; `tests/cli/data/test_data.py` has one"),
    (
        r"tradebot bench ticks --sustained",
        "two minutes of a quiet machine; `tests/bench/stream/test_bench_stream.py` runs less",
    ),
    (r"tradebot notify (?:test|watch)\b", "wants a receiver of alerts; `tests/cli/notify` has some"),
    (r"(?:sudo )?tradebot service install --watch", "wants root and systemd"),
    (
        r"tradebot paper (?:reset|compare)\b",
        "wants a broker's quotes; `tests/cli/paper` and `tests/paper` have their own",
    ),
    (
        r"tradebot (?:login kite|run --dry-start)\b",
        "wants a broker; `tests/stories/test_going_live.py` types it beside a rehearsal",
    ),
    (r"tradebot cancel ORDER_ID", "wants an order at work; `tests/cli/control/test_lists.py` has one"),
    (r"tradebot events --follow", "ends with the daemon; `tests/cli/control/test_lists.py` follows one"),
    (r"tradebot simulate 7 --faults '\.\.\.'", "its faults are left out"),
)
LONG = re.compile(r"(?:tradebot (?:bench|sweep|data download)|make simulate)\b")  # a process or a day of its own
FOR = re.compile(r" --for \w+")  # which is cut short: the same command with and without is the same
PROGRAMS = ("tradebot", "make", "jq", ".")
PICTURES = ("", "text")


def play(shown: Iterable[Typed], house: House, *, is_whole: bool) -> list[str]:
    """Run what is shown; `is_whole` says whether what takes long runs, too. Return a sentence for each that failed."""
    found: list[str] = []
    typed: set[str] = set()
    for one in shown:
        text = FOR.sub("", one.text)
        if (one.kind == "span" and not one.is_command) or text in typed:
            continue
        typed.add(text)
        for fault in _command(one, house, is_whole=is_whole) if one.is_command else _block(one, house):
            found.append(f"{one.place}: {one.text.splitlines()[0]}: {fault}")
    return found


def _command(one: Typed, house: House, *, is_whole: bool) -> list[str]:
    is_elsewhere = any(re.match(pattern, one.text) for pattern, _ in ELSEWHERE)
    if is_elsewhere or (LONG.match(one.text) and not is_whole):
        return faults(one.text)
    if any(words[0] not in PROGRAMS for words in simple(one.text)):
        return ["neither run by a test nor in its table of what runs elsewhere"]
    is_choice = re.search(r"\w\|\w", one.text) is not None
    lines = [" ".join(words) for words in simple(one.text)] if is_choice else [one.text]
    failed = [(line, said) for line in lines if (said := house.type(line)).code]
    return [
        f"{line} ended with {said.code}: {said.errors.strip()[-400:]} {said.out.strip()[-1200:]}"
        for line, said in failed
    ]


def _block(one: Typed, house: House) -> list[str]:
    if one.kind in PICTURES:
        return []
    if one.kind == "json":
        json.loads(one.text)
        return []
    if one.kind == "toml":
        (house.folder / "shown.toml").write_text(one.text)
        said = house.type("tradebot config check --config shown.toml")
    elif one.kind == "python":
        name = re.match(r"# (\w+\.py)\n", one.text)
        said = house.python(name[1] if name else "notebook.py", one.text)
    else:
        return [f"no test knows how to run {one.kind}"]
    return [_ended(said)] if said.code else []


def _ended(said: Said) -> str:
    return f"ended with {said.code}: {said.errors.strip()[-400:]} {said.out.strip()[-1200:]}"
