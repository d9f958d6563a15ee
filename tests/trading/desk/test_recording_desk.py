"""The recording desk: for all messages in any order, a desk that is given its inputs from the journal says the same."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trading.desk.recorded_day import MINUTE, NAMES, Day, Step
from tradebot.domain.commands import CommandVerb
from tradebot.domain.market import Quotes
from tradebot.domain.messages import (
    AccountSnapshot,
    Action,
    ClockTick,
    Command,
    DeskMessage,
    FillReport,
    LinkUp,
    OrderReport,
    Signal,
    Signals,
    TrailingStopPrices,
)
from tradebot.domain.order import (
    OrderKind,
    OrderRequest,
    Side,
    VenueOrderStatus,
    VenuePosition,
)
from tradebot.domain.portfolio import Position
from tradebot.journal.input_log import InputQuotes, StartSnapshot
from tradebot.journal.rows import encode_body
from tradebot.replay.rerun import replay_run
from tradebot.trading.desk import recording_desk
from tradebot.trading.desk.book import state_hash
from tradebot.trading.desk.book.state_hash import StateHasher, hash_state

D = Decimal


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(Step), st.integers(0, 999)), min_size=20, max_size=120))
def test_a_desk_that_is_given_the_tape_says_the_same(steps: list[tuple[Step, int]]) -> None:
    day = Day()
    for step, n in steps:
        day.step(step, n)

    found = asyncio.run(replay_run(day.recorded()))

    assert found.difference is None, found.difference
    assert found.facts == len(day.said)
    assert found.states >= 1


def test_a_run_of_before_trailing_stops_were_written_down_replays_without_them() -> None:
    day = Day()
    for step, n in (
        (Step.QUOTE, 0),
        (Step.ENTER, 3),
        (Step.ANSWER, 0),
        (Step.FILL, 0),
        (Step.QUOTE, 3),
        (Step.TICK, 0),
        (Step.QUOTE, 3),
        (Step.WAIT, 0),
    ):
        day.step(step, n)
    recorded = day.recorded()
    told = [line for line in recorded.outputs if isinstance(line.message, TrailingStopPrices)]
    old = msgspec.structs.replace(recorded.run, versions={})

    others = tuple(line for line in recorded.outputs if line not in told)
    found = asyncio.run(replay_run(recorded._replace(run=old, outputs=others)))

    assert told
    assert found.difference is None, found.difference
    assert asyncio.run(replay_run(recorded._replace(run=old))).difference is not None


def test_quotes_of_symbols_that_nobody_holds_are_not_on_the_tape() -> None:
    day = Day()
    for n in range(200):
        day.step(Step.QUOTE, n)
    day.desk.flush_inputs()

    assert len(encode_body("tape", day.tapes[-1])) < 3_000
    assert not any(isinstance(e.message, Quotes) for batch in day.tapes for e in batch.entries)


STEPS = [
    (Step.QUOTE, 0),
    (Step.ENTER, 0),
    (Step.ANSWER, 0),
    (Step.FILL, 0),
    (Step.QUOTE_MORE, 5),
    (Step.ENTER, 1),
    (Step.ANSWER, 1),
    (Step.FILL_HALF, 1),
    (Step.QUOTE, 9),
    (Step.TICK, 1),
    (Step.ENTER, 2),
    (Step.ANSWER, 4),
    (Step.COMMAND, 1),
    (Step.QUOTE_MORE, 2),
]


def test_a_state_put_into_words_a_second_time_has_the_hash_of_one_that_was_never_told_before() -> None:
    day, states = Day(), StateHasher()
    told = []
    for step, n in STEPS * 3:
        day.step(step, n)
        told.append(states.hash_book(day.desk.book))
        assert told[-1] == hash_state(day.desk.book)
    assert len(set(told)) > 10


def test_a_tape_is_cut_into_pieces_that_say_the_same_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_desk, "MAX_ENTRIES", 7)
    day = Day()
    for step, n in STEPS * 5:
        day.step(step, n)

    recorded = day.recorded()

    assert max(len(batch.entries) for batch in day.tapes) <= 8
    assert len([batch for batch in day.tapes if not batch.state]) > 3
    found = asyncio.run(replay_run(recorded))
    assert found.difference is None, found.difference
    assert found.states >= 1


def test_the_state_with_more_live_orders_than_the_loop_has_time_for_is_hashed_when_they_are_fewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording_desk, "MAX_HASHED_ORDERS", 0)
    day = Day()
    day.step(Step.QUOTE, 0)
    day.step(Step.ENTER, 0)
    day.desk.flush_inputs()
    assert day.desk.book.blotter.exposure.working == 1
    assert day.tapes[-1].state == ""

    day.step(Step.ANSWER, 0)
    day.step(Step.FILL, 0)
    day.desk.flush_inputs()
    assert day.desk.book.blotter.exposure.working == 0
    assert day.tapes[-1].state == hash_state(day.desk.book)


def entries(day: Day) -> list:
    day.desk.flush_inputs()
    return [entry.message for batch in day.tapes for entry in batch.entries]


def test_the_prices_of_what_the_first_books_show_are_on_the_tape_before_them() -> None:
    day = Day()
    outside = OrderRequest(
        order_id="", symbol="D", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT, quantity=D(3)
    )  # fmt: skip
    held = VenuePosition(symbol="B", exchange="NSE", product="MIS", quantity=D(1), average_price=D(1000))
    snapshot = AccountSnapshot(
        asked_at=day.mono, orders=(day.shown(outside, VenueOrderStatus.OPEN),), fills=(), positions=(held,), cash=D(0)
    )
    day.follow(day.desk.adopt_snapshot(snapshot))
    *_, marks, adopted = entries(day)[: 1 + entries(day).index(StartSnapshot(snapshot=snapshot))]
    assert adopted == StartSnapshot(snapshot=snapshot)
    assert isinstance(marks, InputQuotes)
    assert marks.ids.tolist() == [NAMES.index("B"), NAMES.index("D")]
    assert marks.last.tolist() == [100_000, 100_000]


def worded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Symbols of the positions that are put into words from here on."""
    told: list[str] = []
    line = state_hash._position_line

    def note(position: Position) -> str:
        told.append(position.symbol)
        return line(position)

    monkeypatch.setattr(state_hash, "_position_line", note)
    return told


def bought(day: Day) -> None:
    for step, n in ((Step.QUOTE, 0), (Step.ENTER, 0), (Step.ANSWER, 0), (Step.FILL, 0)):
        day.step(step, n)
    assert day.desk.book.positions.fill_count == 1


def test_what_changed_is_put_into_words_at_a_tick_and_not_again_for_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day()
    told = worded(monkeypatch)
    bought(day)
    assert told == []
    day.step(Step.TICK, 0)
    assert told == ["A"]
    day.desk.flush_inputs()
    assert day.tapes[-1].state == hash_state(day.desk.book)
    assert told == ["A", "A"], "once at the tick, once by the hash of who knew nothing"


def test_a_second_hash_puts_nothing_into_words_that_did_not_change(monkeypatch: pytest.MonkeyPatch) -> None:
    day, known = Day(), StateHasher()
    bought(day)
    first, told = known.hash_book(day.desk.book), worded(monkeypatch)
    assert (known.hash_book(day.desk.book), told) == (first, [])


def test_a_state_with_another_count_of_orders_has_another_hash() -> None:
    day = Day()
    before = hash_state(day.desk.book)
    day.reason = "the file"
    day.step(Step.ENTER, 0)
    assert day.desk.account.signal_counts["denied"] == 1
    assert not day.desk.book.blotter.exposure.working
    assert hash_state(day.desk.book) != before


def test_a_quote_that_comes_alone_is_on_the_tape_where_its_symbol_is_held_and_not_elsewhere() -> None:
    day = Day()
    bought(day)
    before = len(entries(day))
    day.quote([NAMES.index("B")], [1])
    assert len(entries(day)) == before
    day.quote([NAMES.index("A")], [1])
    (quotes,) = entries(day)[before:]
    assert isinstance(quotes, Quotes)
    assert quotes.ids.tolist() == [NAMES.index("A")]


def test_of_a_frame_of_many_quotes_those_of_symbols_that_are_held_are_on_the_tape() -> None:
    day = Day()
    bought(day)
    before = len(entries(day))
    day.quote(range(len(NAMES)), [1] * len(NAMES))
    (quotes,) = entries(day)[before:]
    assert quotes.ids.tolist() == [NAMES.index("A")]


@pytest.mark.parametrize(("less", "count"), [(1, 0), (0, 1)])
def test_a_tape_is_handed_on_when_its_time_is_over_and_not_before(less: int, count: int) -> None:
    day = Day()
    day.desk.flush_inputs()
    day.tapes.clear()
    day.mono += recording_desk.FLUSH_INTERVAL_NS - less
    day.give(ClockTick(at=day.at, mono=day.mono))
    assert len(day.tapes) == count


def test_a_row_of_tape_is_handed_on_when_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_desk, "MAX_ENTRIES", 3)
    day = Day()
    day.desk.flush_inputs()
    day.tapes.clear()
    for n in range(3):
        assert day.tapes == [], n
        day.give(LinkUp(source="kite", mono=day.mono))
    (batch,) = day.tapes
    assert (len(batch.entries), batch.state) == (3, "")


def test_the_state_of_what_did_not_change_is_not_hashed_again() -> None:
    day = Day()
    assert day.tapes[0].state, "of the first tick"
    day.give(LinkUp(source="kite", mono=day.mono))
    day.desk.flush_inputs()
    assert day.tapes[-1].state == ""
    count = len(day.tapes)
    day.desk.flush_inputs()
    assert len(day.tapes) == count, "there is nothing to hand on"
    day.give(Command(verb=CommandVerb.HALT, reason="by hand"))
    day.desk.flush_inputs()
    assert day.tapes[-1].state == hash_state(day.desk.book)


@pytest.mark.parametrize("what", ["books", "an order", "a fill", "signals"])
def test_the_price_of_a_symbol_that_a_message_may_decide_on_is_on_the_tape_before_it(what: str) -> None:
    day = Day()
    before = len(entries(day))
    outside = OrderRequest(
        order_id="", symbol="D", exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT, quantity=D(3)
    )  # fmt: skip
    held = VenuePosition(symbol="B", exchange="NSE", product="MIS", quantity=D(1), average_price=D(1000))
    ids, message = told_of(day, what, outside, held)
    day.follow(day.desk.apply_message(message))
    marks, noted = entries(day)[before : before + 2]
    assert isinstance(marks, InputQuotes)
    assert marks.ids.tolist() == ids
    assert noted == message


def told_of(day: Day, what: str, outside: OrderRequest, held: VenuePosition) -> tuple[list[int], DeskMessage]:
    """A message of a kind, and the numbers of the symbols that it names."""
    shown = day.shown(outside, VenueOrderStatus.OPEN)
    fill = day.execution(outside, D(1))
    match what:
        case "books":
            return [1, 3], AccountSnapshot(asked_at=day.mono, orders=(shown,), fills=(), positions=(held,), cash=D(0))
        case "an order":
            return [3], OrderReport(order=shown, mono=day.mono)
        case "a fill":
            return [3], FillReport(fill=fill, mono=day.mono)
    signals = tuple(
        Signal(signal_id=name, strategy="s", symbol=name, action=Action.EXIT_LONG, bar_at=day.at, quoted_at=day.mono,
               made_at=day.mono)
        for name in ("D", "ELSEWHERE", "C")
    )  # fmt: skip
    return [2, 3], Signals(at=day.at, interval=MINUTE, signals=signals)
