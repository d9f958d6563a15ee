"""The operator API: what the operator may ask, and what is asked of the desk in which order."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tradebot.clock import ManualClock
from tradebot.control.halt_file import HaltFile
from tradebot.control.operator_api import BadRequest, OperatorApi
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.messages import Command
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.desk import build_desk
from tradebot.trading.desk.gate.gate import Gate
from tradebot.trading.desk.settings import DeskSettings


class Rig:
    """An operator API over a desk of which only the halts and the books are real."""

    def __init__(self, folder: Path) -> None:
        universe = Universe([Instrument(symbol="TCS", token=1), Instrument(symbol="INFY", token=2)])
        self.commands = list[Command]()
        self.was_there: list[bool] = []  # was the HALT file there when a command came
        self.stops: list[str] = []
        self.halt_file, self.clock = HaltFile(folder), ManualClock(1)
        book = Book(universe, DeskSettings(order_notional=Decimal(0)), lambda order, event: Decimal(0))
        self.halts = book.conditions.halts
        desk = build_desk(book, gate=Gate([]), id_prefix="T", absent_after_s=60.0)
        self.api = OperatorApi(
            account=desk.account, universe=universe, strategies=frozenset({"ema_cross"}), clock=self.clock,
            halt_file=self.halt_file, command=self.command, status_snapshot=dict, ask_to_stop=self.stops.append,
        )  # fmt: skip

    async def command(self, command: Command) -> None:
        self.was_there.append(bool(self.halt_file.read_reason()))
        self.commands.append(command)
        self.halts.apply_command(command)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.mark.parametrize("scope", ["all", "account", "symbol:TCS", "strategy:ema_cross"])
async def test_a_halt_of_a_scope_that_exists_reaches_the_desk(rig: Rig, scope: str) -> None:
    await rig.api.halt({"reason": "why", "scope": scope})
    assert rig.commands == [Command(verb=CommandVerb.HALT, reason="why", scope=Scope.parse(scope))]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"scope": "symbol:TCSS"}, r"no symbol 'TCSS'; did you mean TCS\?"),
        ({"scope": "strategy:TCS"}, "no strategy 'TCS'"),
        ({"scope": "symbol:"}, "scope must be"),
        ({"scope": "everything"}, "scope must be"),
        ({"scope": 7}, "scope must be"),
        ({"scope": None}, "scope must be"),
        ({"reason": "x" * 301}, "one line"),
        ({"reason": "a\nb"}, "one line"),
        ({"reason": "\x1b[2J"}, "one line"),
        ({"reason": 1}, "one line"),
        ({"reson": "typo"}, "unknown field 'reson'"),
    ],
)
async def test_a_halt_that_cannot_be_meant_is_refused_whole(rig: Rig, body: dict[str, Any], sentence: str) -> None:
    for ask in (rig.api.halt, rig.api.resume):
        with pytest.raises(BadRequest, match=sentence):
            await ask(body)
    assert rig.commands == []


@pytest.mark.parametrize("id_", [None, "", 7, "a b", "x" * 65, "-x", "é"])
async def test_a_flatten_needs_a_name(rig: Rig, id_: object) -> None:
    with pytest.raises(BadRequest, match="needs an id"):
        await rig.api.flatten({"id": id_})
    assert rig.commands == []


async def test_resume_takes_the_halt_file_away_before_the_row_is_written(rig: Rig) -> None:
    rig.halt_file.write_reason("killed")
    assert await rig.api.resume({}) == {"resumed": "all", "lifted": "killed"}
    assert rig.was_there == [False]


async def test_a_resume_of_one_symbol_does_not_end_a_kill(rig: Rig) -> None:
    rig.halt_file.write_reason("killed")
    await rig.api.resume({"scope": "symbol:TCS"})
    assert rig.halt_file.read_reason() == "killed"


async def test_a_flatten_after_a_kill_needs_a_word_more_and_halts_before_it_lifts(rig: Rig) -> None:
    rig.halt_file.write_reason("killed")
    with pytest.raises(BadRequest, match="--lift-kill") as refused:
        await rig.api.flatten({"id": "1"})
    assert (refused.value.status, rig.commands) == (409, [])
    await rig.api.flatten({"id": "1", "lift_kill": True})
    assert rig.was_there == [True]
    assert rig.halt_file.read_reason() == ""
    assert rig.halts.global_reason


async def test_the_same_flatten_again_is_known(rig: Rig) -> None:
    first, second = [await rig.api.flatten({"id": "1"}) for _ in range(2)]
    assert (first["known"], second["known"]) == (False, True)


async def test_a_stop_is_a_stop_of_the_run(rig: Rig) -> None:
    await rig.api.stop({"reason": "maintenance"})
    assert rig.stops == ["maintenance"]


async def test_a_halt_file_that_appears_halts_the_desk_once_and_again_when_it_comes_again(rig: Rig) -> None:
    looks = 0

    async def each_look(seconds: float) -> None:
        nonlocal looks
        looks += 1
        match looks:
            case 2:
                rig.halt_file.write_reason("first")
            case 5:
                rig.halt_file.remove_file()
            case 7:
                rig.halt_file.write_reason("first")
            case 10:
                raise asyncio.CancelledError

    rig.clock.on_sleep = each_look
    with pytest.raises(asyncio.CancelledError):
        await rig.api.watch_halt_file()
    assert rig.commands == [Command(verb=CommandVerb.HALT, reason="first", control="kill")] * 2
