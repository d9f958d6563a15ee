"""What the documents show does what they say: commands run, programs and settings are taken, names are there."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.documents import lint
from tests.documents.house import House
from tests.documents.play import ELSEWHERE, play
from tests.documents.typed import ROOT, Typed, shown, simple, typed_in
from tradebot.config.document import json_schema
from tradebot.ops.events.catalogue import EVENTS

pytestmark = pytest.mark.timeout(300)
SETTINGS = (
    re.compile(r"(?P<section>[a-z]+)\.(?P<key>[a-z_]+)(?: *=(?P<value>.*))?"),
    re.compile(r"\[(?P<section>[a-z]+)\] *(?P<key>[a-z_]+)(?: *=(?P<value>.*))?"),
    re.compile(r"(?i:TRADEBOT_(?P<section>[A-Z]+)__(?P<key>[A-Z_]+))(?:=.*)?"),
)
NO_SECTIONS = ("kill", "section")  # keys of an emergency, and a blank
FILE = re.compile(r"(?:[\w-]+/)+[\w.-]*|[\w-]+\.(?:py|toml|md)")
OF_READERS = ("state/", "mine.py", "config.toml", "best.html", "bars/")  # which the commands make
SPANS = [one for one in shown(has_history=True) if one.kind == "span" and not one.is_command]


def test_every_command_and_program_of_the_documents_runs(tmp_path: Path) -> None:
    with House(tmp_path) as house:
        wrong = play(shown(), house, is_whole=False)
    assert not wrong, "\n".join(wrong)


def test_every_command_that_is_mentioned_has_its_verb_and_options() -> None:
    wrong = [
        f"{one.place}: {one.text}: {fault}"
        for one in shown(has_history=True)
        if one.is_command
        for fault in lint.faults(one.text, is_mention=True)  # of what runs the values are taken when it does
    ]
    assert not wrong, "\n".join(wrong)


def test_every_option_that_is_mentioned_is_there() -> None:
    known = lint.options()
    named = [(one, word) for one in SPANS for word in re.findall(r"(?:^|\s)(--[a-z-]+)", one.text)]
    wrong = [f"{one.place}: no verb has an option {word}" for one, word in named if word not in known]
    assert len(named) > 20
    assert not wrong, "\n".join(wrong)


def test_every_setting_that_is_mentioned_is_there() -> None:
    wrong = [f"{one.place}: {one.text}: no such setting" for one in SPANS if not is_setting(one.text)]
    assert not wrong, "\n".join(wrong)


def test_every_file_of_ours_that_is_mentioned_is_there() -> None:
    ours = [path.relative_to(ROOT).as_posix() for top in ("tradebot", "tests") for path in (ROOT / top).rglob("*")]
    wrong = [
        f"{one.place}: {one.text}: no such file"
        for one in SPANS
        if FILE.fullmatch(one.text)
        and not one.text.startswith(OF_READERS)
        and not (ROOT / one.text).exists()
        and not any(f"/{path}".endswith(f"/{one.text}") for path in ours)
    ]
    assert not wrong, "\n".join(wrong)


def test_every_word_of_the_log_and_of_the_code_that_is_mentioned_is_in_the_code() -> None:
    code = "\n".join([*EVENTS, *(path.read_text(encoding="utf-8") for path in (ROOT / "tradebot").rglob("*.py"))])
    words = [one for one in SPANS if re.fullmatch(r"[a-z]+(?:_[a-z]+)+", one.text)]
    wrong = [f"{one.place}: {one.text}: not in the code" for one in words if one.text not in code]
    assert len(words) > 20
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("tradebot backtest --sample --slipage 1ticks", "ended with 2"),
        ("tradebot verfy", "ended with 2"),
        ("curl --remote-name example.html", "neither run by a test nor in its table"),
        ("make prove SEED=7 TESTING=tests/gone.py", "make knows no variable TESTING"),
        ("make proof", "No rule to make target"),
        ("tradebot bench ticks --sustaind", "No such option"),
        ("make test TESTS=tests/gone.py::test_gone", "is not there"),
    ],
)
def test_a_command_that_is_wrong_is_noticed(text: str, why: str, tmp_path: Path, cold: House) -> None:
    (found,) = play([Typed("README.md:1", "shell", text)], cold, is_whole=False)
    assert found.startswith(f"README.md:1: {text}: ")
    assert why in found


def test_a_program_and_a_setting_that_are_wrong_are_noticed(cold: House) -> None:
    blocks = [Typed("a.md:1", "python", "import tradebot\ntradebot.nothing()"),
              Typed("a.md:9", "toml", "[risk]\nno = 1"),
              Typed("a.md:20", "ini", "[Unit]")]  # fmt: skip
    assert [place.partition(": ")[0] for place in play(blocks, cold, is_whole=False)] == ["a.md:1", "a.md:9", "a.md:20"]


def test_settings_that_are_wrong_are_noticed() -> None:
    assert all(map(is_setting, ("risk.max_crashes", "TRADEBOT_STORE__DSN=x", "[store] enabled = false", "account.py")))
    assert not any(map(is_setting, ("risk.max_crash", "TRADEBOT_STORE__DNS=x", "[store] enable = 1", 'app.mode = "x"')))


def test_what_runs_elsewhere_stands_in_a_document() -> None:
    commands = [one.text for one in shown(has_history=True) if one.is_command]
    assert not [pattern for pattern, _ in ELSEWHERE if not any(re.match(pattern, text) for text in commands)]


def test_blocks_spans_and_pipes_are_taken_apart() -> None:
    text = (
        "Say `tradebot db status|migrate` or\n`A_B=1 tradebot\nrun`.\n\n    make test TESTS=x\n\n```sh\n"
        "tradebot run \\\n  --for 1s | jq '.a | .b'  # why\n```\n```toml\n[risk]\n```\n"
    )
    found = list(typed_in(text, "a.md"))
    assert [(one.place, one.kind) for one in found] == [
        ("a.md:5", "shell"), ("a.md:1", "span"), ("a.md:2", "span"), ("a.md:8", "shell"), ("a.md:11", "toml")
    ]  # fmt: skip
    assert all(one.is_command for one in found[:4])
    assert simple(found[1].text) == [["tradebot", "db", "status"], ["tradebot", "db", "migrate"]]
    assert simple(found[2].text) == [["tradebot", "run"]]
    assert simple(found[3].text) == [["tradebot", "run", "--for", "1s"], ["jq", ".a | .b"]]


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a reader's folder for commands that end at once."""
    with House(tmp_path_factory.mktemp("cold")) as house:
        yield house


@cache
def settings() -> dict[str, dict[str, Any]]:
    """Return the settings of each section by name, as the schema has them."""
    whole = json_schema()

    def resolved(node: dict[str, Any]) -> dict[str, Any]:
        node = node.get("items", node)
        found: dict[str, Any] = whole["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        return found

    return {
        name: {key: resolved(one) for key, one in resolved(node).get("properties", {}).items()}
        for name, node in whole["properties"].items()
    }


def is_setting(text: str) -> bool:
    """False where a text is one of our sections with a key that it has not, or with a value that it does not take."""
    found = next((match for form in SETTINGS if (match := form.fullmatch(text))), None)
    if found is None:
        return True
    section, key, value = found["section"].lower(), found["key"].lower(), found.groupdict().get("value")
    if section not in settings():
        return section in NO_SECTIONS or not text.startswith("TRADEBOT_")
    if key not in settings()[section]:
        return key in ("py", "toml")
    allowed = settings()[section][key].get("enum")
    return not allowed or value is None or tomllib.loads(f"v ={value}")["v"] in allowed
