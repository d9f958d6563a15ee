"""The verbs that ask the running daemon, over its socket: what they print, as JSON and for people, and exit codes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.control.api_rig import RUN_ID, ApiRig, serving
from tests.in_thread import in_thread
from tradebot.__main__ import run_command_line
from tradebot.cli.control import lists
from tradebot.cli.shared import tables
from tradebot.domain.messages import Command
from tradebot.ops.events.market import FeedLost

Say = Callable[..., tuple[int, str, str]]
LISTS = ("positions --running", "orders --running", "trades --running", "pnl", "signals", "risk", "session",
         "strategies", "symbols")  # fmt: skip


@asynccontextmanager
async def trading(folder: Path) -> AsyncIterator[ApiRig]:
    rig, loop = ApiRig(folder), asyncio.get_running_loop()
    rig.begin_trading()
    await rig.write_journal()
    async with serving(rig):
        rig.end_streams = lambda: loop.call_soon_threadsafe(rig.memory.end_waits)
        yield rig


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[ApiRig]:
    """A run that holds AAA and has an order of BBB at work, served by a thread."""
    with in_thread(trading(tmp_path), "daemon") as rig:
        yield rig


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    def give(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command_line([*words, "--state-dir", str(tmp_path)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return give


@pytest.mark.parametrize("verb", [*LISTS, "cancel X --yes", "pause s", "unpause s", "events --follow"])
def test_without_a_daemon_each_verb_ends_with_69_and_one_sentence(say: Say, verb: str) -> None:
    code, out, err = say(*verb.split())
    assert (code, out) == (69, "")
    assert "no daemon runs" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("verb", LISTS)
def test_each_list_prints_json_and_lines_for_people(daemon: ApiRig, say: Say, verb: str) -> None:
    code, out, _ = say(*verb.split(), "--json")
    assert (code, isinstance(json.loads(out), dict)) == (0, True)
    code, out, err = say(*verb.split())
    assert (code, bool(out or err)) == (0, True)


def test_positions_and_orders_are_those_of_the_moment(daemon: ApiRig, say: Say) -> None:
    assert say("positions", "--running")[1].splitlines()[1].split("\t")[:6] == [
        "AAA", "MIS", "ours", "10", "1000.00", "1000.00",
    ]  # fmt: skip
    (order,) = json.loads(say("orders", "--running", "--live", "--json")[1])["orders"]
    assert (order["symbol"], order["state"]) == ("BBB", "INTENT")
    assert say("positions")[1:] == ("", "none\n"), "without --running it is the journal's, which is empty"


def test_cancel_asks_first_and_says_what_became_of_it(daemon: ApiRig, say: Say) -> None:
    id_ = next(o.order_id for o in daemon.desk_rig.desk.account.live_orders())
    code, _, err = say("cancel", id_)
    assert (code, "--yes" in err, daemon.commands) == (2, True, [])
    assert say("cancel", id_, "--yes", "--reason", "by hand")[0] == 0
    assert (daemon.commands[0].id, daemon.commands[0].reason) == (id_, "cancelled by the operator: by hand")
    assert "on its way already" in say("cancel", id_, "--yes")[1]
    assert say("cancel", "nope", "--yes")[0] == 2


def test_pause_and_unpause_are_a_halt_of_the_strategy_and_its_end(daemon: ApiRig, say: Say) -> None:
    assert say("pause", "s", "lunch")[:2] == (
        0, "paused s: lunch; it is on disk and stands until `tradebot unpause`\n",
    )  # fmt: skip
    assert "lunch" in say("strategies")[1]
    assert json.loads(say("unpause", "s", "--json")[1]) == {"resumed": "strategy:s", "lifted": ""}
    assert [str(command.scope) for command in daemon.commands] == ["strategy:s"] * 2
    assert "no strategy 'x'" in say("pause", "x")[2]


def test_events_are_followed_as_text_and_json_until_the_daemon_ends(daemon: ApiRig, say: Say) -> None:
    for number in range(3):
        daemon.memory.record_event(FeedLost(source=f"feed{number}", reason="1006"))
    daemon.end_streams()
    code, out, err = say("events", "--follow", "--since", f"{RUN_ID}-1")
    assert (code, f"--since {RUN_ID}-3` goes on from here" in err) == (69, True)
    assert [line.split()[1:4] for line in out.splitlines()] == [
        ["warning", "feed_lost", f"source=feed{number}"] for number in (1, 2)
    ]  # fmt: skip
    code, out, _ = say("events", "--follow", "--since", "0", "--json")
    assert [json.loads(line)["id"] for line in out.splitlines()] == [f"{RUN_ID}-{number}" for number in (1, 2, 3)]


def test_since_goes_with_follow_and_events_are_explained_as_before(say: Say) -> None:
    assert say("events", "--since", "0")[0] == 2
    assert say("events", "feed_lost")[1].startswith("feed_lost (warning")


def test_the_api_says_where_its_token_stands_and_what_it_answers(
    tmp_path: Path, say: Say, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = say("api", "token")
    assert (code, out, "not there yet" in err) == (0, f"{tmp_path / 'api.token'}\n", True)
    capsys.readouterr()
    assert run_command_line(["api", "openapi"]) == 0
    assert json.loads(capsys.readouterr().out)["openapi"] == "3.1.0"


LONG: dict[str, Any] = {
    "symbol": "BAJAJ-AUTO", "product": "MIS", "owner": "external", "quantity": "-1234", "average_price": "12345.65",
    "last": "12345.65", "profit": "-12345.65", "order_id": "Tmx3mz26q00004", "side": "SELL", "kind": "MARKET",
    "filled": "1234", "price": "12345.65", "state": "PENDING", "purpose": "flatten",
    "traded_at": 1_770_090_660_000_000_000, "bar_at": 1_770_090_660_000_000_000, "strategy": "mean_reversion",
    "action": "enter_short", "close": 12345.65, "tick_size": "0.05", "lot_size": "75", "blocked": "",
    "name": "mean_reversion", "symbols": [], "working": 3, "denied": 120, "paused": "lunch",
}  # fmt: skip


@pytest.mark.parametrize("name", ["positions", "orders", "trades", "signals", "symbols", "strategies"])
def test_a_table_is_readable_at_80_columns(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tables, "PIPE_WIDTH", 80)
    tables.print_table(lists.shown_rows(name, [LONG]))
    head, *rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 1, "no cell is broken over lines"
    assert max(map(cell_len, (head, *rows))) <= 80


def test_halt_resume_and_flatten_answer_in_json_too(daemon: ApiRig, say: Say) -> None:
    assert json.loads(say("halt", "why", "--json")[1]) == {"halted": "why", "scope": "all"}
    assert json.loads(say("resume", "--json")[1])["resumed"] == "all"
    assert json.loads(say("flatten", "--yes", "--json")[1])["known"] is False
    assert all(isinstance(command, Command) for command in daemon.commands)
