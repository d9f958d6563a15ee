"""I15 and I32 by hand: levels worked out from the intent and the tape, over the runs of a day, and prices alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checker.records import RUN, Records
from tradebot.checker.promises import judge_records
from tradebot.checker.verdict import PromiseVerdict
from tradebot.domain.commands import CommandVerb
from tradebot.domain.market import Quotes
from tradebot.domain.messages import BrokerSession, ClockTick, Command
from tradebot.journal.input_log import InputEntry, InputLogBatch, pack_inputs

SECOND = 1_000_000_000
ENTRY, EXIT = f"{RUN}00001", f"{RUN}00002"


class Guarded(Records):
    """Bought at 1,000 in the first of some runs; each run is what was shown in it, a price a second."""

    def __init__(self, side: str = "BUY", **levels: str) -> None:
        super().__init__()
        self.line("session", account="SIM", cash="50000", resumed=False, holdings=[])
        self.mono, self.shown = 100 * SECOND, list[InputEntry]()
        self.begin("Tfirst001")
        request = {"order_id": ENTRY, "symbol": "TCS", "exchange": "NSE", "side": side, "quantity": "2",
                   "product": "MIS", "purpose": "entry"} | levels  # fmt: skip
        self.order_event(ENTRY, "intent", request=request, checks=["size: ok"], reference="1000", mono=self.mono)
        self.order_event(ENTRY, "sending", mono=self.mono)
        execution = {"execution_id": "X1", "exchange": "NSE", "side": side, "quantity": "2", "price": "1000"}
        self.order_event(ENTRY, "executed", execution=execution, mono=self.mono)
        self.mono += 2 * SECOND

    def begin(self, run: str) -> None:
        self.run = run
        self.row("run", run_id=run, mode="paper", account="SIM", versions={"rows": "3"})
        self.row("universe", instruments=[{"symbol": "TCS", "exchange": "NSE", "price_decimals": 2}])

    def show(self, *prices: float) -> None:
        for price in prices:
            self.mono += SECOND
            column, one = np.array, np.array([1])
            quotes = Quotes(
                source="kite", seen_at=self.mono, ids=column([0]), sent_at=one, last=column([round(price * 100)]),
                volume=one, bid=one, ask=one, bid_size=one, ask_size=one,
            )  # fmt: skip
            self.shown += [
                InputEntry(self.mono - 5, quotes),
                InputEntry(self.mono, ClockTick(at=self.now, mono=self.mono)),
            ]

    def tell(self, message: Any) -> None:
        self.shown.append(InputEntry(self.mono, message))

    def closes(self, purpose: str = "trail", event: str = "intent", *, late: int = 0) -> None:
        request = {"order_id": EXIT, "symbol": "TCS", "side": "SELL", "quantity": "2", "purpose": purpose}
        self.order_event(EXIT, event, request=request, checks=["size: ok"], reference="1000", mono=self.mono + late)

    def end(self, **_: Any) -> None:
        self.keep()
        self.row("end", reason="SIGTERM")

    def keep(self) -> None:
        self.row("tape", **json.loads(pack_inputs(InputLogBatch(entries=tuple(self.shown)))))
        self.shown = []


def verdict(records: Records, folder: Path, promise: str = "I32") -> PromiseVerdict:
    journal, log = records.write(folder)
    return next(v for v in judge_records(journal, against=log) if v.promise == promise)


@pytest.mark.parametrize(("price", "ruling"), [(1044.0, "ok"), (1040.0, "broken"), (1034.0, "broken")])
def test_a_trailing_stop_acts_after_a_restart_where_it_stood(price: float, ruling: str, tmp_path: Path) -> None:
    day = Guarded(trail_by="10")
    day.show(1020, 1050)
    day.end()
    day.begin("Tsecond01")
    day.show(price)
    day.end()

    said = verdict(day, tmp_path)

    assert said.status == ruling, said.evidence
    assert ruling == "ok" or "trailing stop of 1040" in said.evidence


@pytest.mark.parametrize(
    ("levels", "prices"),
    [({"trail_by": "10"}, (1020, 1050, 1040)), ({"stop_loss": "990"}, (1001, 990)), ({"target": "1010"}, (1001, 1011))],
)
@pytest.mark.parametrize(("acts", "ruling"), [(True, "ok"), (False, "broken")])
def test_a_level_that_is_reached_begins_an_exit_at_that_price(
    levels: dict[str, str], prices: tuple[float, ...], acts: bool, ruling: str, tmp_path: Path
) -> None:
    day = Guarded(**levels)
    day.show(*prices)
    day.closes() if acts else day.show(1000)
    day.end()
    assert verdict(day, tmp_path).status == ruling


@pytest.mark.parametrize(("is_wanted", "ruling"), [(True, "ok"), (False, "broken")])
def test_a_fill_told_anew_guards_nothing_while_an_exit_is_wanted(is_wanted: bool, ruling: str, tmp_path: Path) -> None:
    day = Guarded(target="1010")
    if is_wanted:
        day.closes("flatten")
    execution = {"execution_id": "X1", "exchange": "NSE", "side": "BUY", "quantity": "2", "price": "1000"}
    day.order_event(ENTRY, "reversed", execution=execution, mono=day.mono)
    day.order_event(ENTRY, "executed", execution=execution | {"execution_id": "X2"}, mono=day.mono)
    day.show(1001, 1002, 1003, 1011, 1012)
    day.end()
    assert verdict(day, tmp_path).status in (ruling, "not shown" if is_wanted else ruling)


def test_a_short_is_guarded_the_other_way(tmp_path: Path) -> None:
    day = Guarded("SELL", trail_by="10")
    day.show(980, 950, 960)
    day.end()
    assert "trailing stop of 960" in verdict(day, tmp_path).evidence


def test_an_exit_for_a_level_that_no_price_reached_is_found_and_none_where_seconds_are_missing(tmp_path: Path) -> None:
    early = Guarded(trail_by="10")
    early.show(1020, 1044)
    early.closes()
    early.end()
    assert "which is at no level" in verdict(early, tmp_path).evidence

    (tmp_path / "cut").mkdir()
    cut = Guarded(trail_by="10")
    cut.show(1020)
    cut.keep()  # and killed: what it saw then is on no tape
    cut.begin("Tsecond01")
    cut.show(1044)
    cut.closes()
    cut.end()
    assert verdict(cut, tmp_path / "cut").status == "ok"


@pytest.mark.parametrize(
    "word", [Command(verb=CommandVerb.STOP), BrokerSession(mono=1, lost_reason="dead", orders_refused=True)]
)
def test_a_desk_that_may_not_act_is_not_blamed(word: Any, tmp_path: Path) -> None:
    day = Guarded(stop_loss="990")
    day.tell(word)
    day.show(985)
    day.end()
    assert verdict(day, tmp_path).status == "ok"


@pytest.mark.parametrize(
    ("before", "after_ns", "ruling"),
    [(980, SECOND // 10, "ok"), (980, SECOND, "broken"), (1001, SECOND // 10, "broken")],
    ids=["wanted before and sent soon", "wanted before and forgotten", "reached only afterwards"],
)
def test_an_exit_that_was_wanted_while_no_order_could_leave_is_sent_soon_afterwards(
    before: int, after_ns: int, ruling: str, tmp_path: Path
) -> None:
    day = Guarded(stop_loss="990")
    day.tell(BrokerSession(mono=1, lost_reason="dead", orders_refused=True))
    day.show(before)
    day.mono += SECOND
    day.tell(BrokerSession(mono=2))
    day.mono += after_ns - SECOND
    day.show(980)
    day.mono += SECOND // 20
    day.closes("stop")
    day.end()
    assert verdict(day, tmp_path).status == ruling


@pytest.mark.parametrize(("price", "ruling"), [(1040, "ok"), (1041, "broken")])
def test_a_fill_in_the_place_of_a_guessed_one_leaves_a_trailing_stop_where_it_stood(
    price: int, ruling: str, tmp_path: Path
) -> None:
    day = Guarded(trail_by="10")
    day.show(1020, 1050, 1043)
    execution = {"execution_id": "X1", "exchange": "NSE", "side": "BUY", "quantity": "2", "price": "1000"}
    day.order_event(ENTRY, "reversed", execution=execution, mono=day.mono)
    day.order_event(ENTRY, "executed", execution=execution | {"execution_id": "X2"}, mono=day.mono)
    day.show(price)
    day.closes()
    day.end()
    assert verdict(day, tmp_path).status == ruling


def test_an_exit_that_the_gate_holds_back_and_one_that_began_before_are_exits(tmp_path: Path) -> None:
    day = Guarded(stop_loss="990")
    day.show(1001)
    day.closes("exit", "denied")
    day.show(985, 980)
    day.end()
    assert verdict(day, tmp_path).status == "ok"


@pytest.mark.parametrize(
    ("side", "levels"),
    [("BUY", {"stop_loss": "1000"}), ("BUY", {"target": "999"}), ("SELL", {"stop_loss": "999"}),
     ("SELL", {"target": "1001"})],
)  # fmt: skip
def test_an_entry_whose_level_can_guard_nothing_must_not_leave(
    side: str, levels: dict[str, str], tmp_path: Path
) -> None:
    day = Guarded(side, **levels)
    day.end()
    assert "decided at 1000" in verdict(day, tmp_path).evidence


@pytest.mark.parametrize(("strikes", "ruling"), [(0, "broken"), (1, "broken"), (2, "ok")])
def test_a_far_price_needs_another_one_that_agrees(strikes: int, ruling: str, tmp_path: Path) -> None:
    day = Guarded(stop_loss="500")
    day.show(1000, 1001, 10_010, 1002)
    for _ in range(strikes):
        day.line("fault", name="tenfold-quote", where="ticker.frame", n=1, does="")
    day.end()
    assert verdict(day, tmp_path, "I15").status == ruling


def test_a_fall_that_goes_on_is_no_lone_price(tmp_path: Path) -> None:
    day = Guarded(stop_loss="100")
    day.show(1000, 1001, 700, 690)
    day.end()
    assert verdict(day, tmp_path, "I15").status == "ok"
