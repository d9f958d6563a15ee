"""The desk with a tape: whatever it is given, in whatever order, a desk that is given the tape says the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import (
    AccountSnapshot,
    Action,
    ClockTick,
    Command,
    DeskMessage,
    FillReport,
    Incident,
    LinkDown,
    LinkUp,
    OrderReport,
    RequestResult,
    SessionBegins,
    Signal,
    Signals,
    Submit,
    TrailingStopPrices,
)
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderKind,
    OrderRequest,
    Side,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from tradebot.domain.portfolio import Position
from tradebot.journal.input_log import InputLogBatch, InputQuotes, StartSnapshot
from tradebot.journal.recovery import RecoveredAccount as Recovered
from tradebot.journal.rows import BODY_FORMAT, JournalRow, RunRecord, RunSettings, encode_body
from tradebot.replay.recorded_run import RecordedLine, RecordedRun
from tradebot.replay.rerun import replay_run
from tradebot.strategies.loading import load_strategy
from tradebot.trading.desk import recording_desk
from tradebot.trading.desk.book import state_hash
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.book.state_hash import StateHasher, hash_state
from tradebot.trading.desk.desk import Desk, build_desk
from tradebot.trading.desk.fill_charges import charges_by_market
from tradebot.trading.desk.gate.limits import Limits, build_gate
from tradebot.trading.desk.recording_desk import RecordingDesk
from tradebot.trading.desk.settings import DeskSettings

OPEN = 1_770_090_300 * SECOND  # 2026-02-03 09:15 in India
MINUTE = 60 * SECOND
D = Decimal
LIMITS = Limits(allow_short=True, max_daily_loss=D(300))
SETTINGS = DeskSettings(order_notional=D(10_000), max_daily_loss=D(200), on_stop="flatten")
VENUE = {"absent_after_s": 20.0, "absence_is_proof": True}
NAMES = tuple("ABCDEF")


class Day:
    """A run of a taped desk, made up message by message."""

    def __init__(self) -> None:
        self.universe = Universe([Instrument(symbol=name, token=256 * n) for n, name in enumerate(NAMES, 1)])
        self.tapes: list[InputLogBatch] = []
        self.signals: list[RecordedLine] = []
        self.said: list[RecordedLine] = []
        self.reason = ""
        self.desk = RecordingDesk(self.made, killed=lambda: self.reason, append=self.tapes.append)
        self.at, self.mono, self.count = OPEN, 1_000 * SECOND, 0
        self.prices = np.full(len(NAMES), 100_000)
        self.waiting: list[OrderRequest] = []
        self.accepted: list[OrderRequest] = []
        self.desk.recover_state((), adopted=(), halted="", opens_at=OPEN, halts=(), flattened=())
        self.give(ClockTick(at=self.at, mono=self.mono))
        self.follow(
            self.desk.adopt_snapshot(
                AccountSnapshot(asked_at=self.mono, orders=(), fills=(), positions=(), cash=D(50_000))
            )
        )
        closes_at = OPEN + 22_500 * SECOND
        self.give(SessionBegins(opens_at=OPEN, closes_at=closes_at, entries_until=closes_at, square_off_at=closes_at))
        self.quote(range(len(NAMES)), [0] * len(NAMES))

    def made(self, killed: Callable[[], str]) -> Desk:
        book = Book(self.universe, SETTINGS, charges_by_market(self.universe))
        return build_desk(book, gate=build_gate(LIMITS, kill_reason=killed), id_prefix="T1", **VENUE)

    def give(self, message: DeskMessage) -> None:
        self.follow(self.desk.apply_message(message))

    def follow(self, output: list) -> None:
        for what in output:
            if isinstance(what, Submit):
                self.waiting.append(what.request)
            elif isinstance(what, OrderEvent | Command | Incident | TrailingStopPrices):
                self.said.append(RecordedLine(len(self.said) + 1, what))

    def number(self) -> int:
        self.count += 1
        return self.count

    def quote(self, ids, steps) -> None:
        ids, self.mono = np.array(list(ids)), self.mono + SECOND // 50
        self.prices[ids] += np.array(steps) * 40
        last, none = self.prices[ids].copy(), np.zeros(len(ids), dtype=np.int64)
        self.give(
            Quotes(
                source="kite", seen_at=self.mono, ids=ids, sent_at=none + self.at, last=last, volume=none, bid=last - 5,
                ask=last + 5, bid_size=none + 9, ask_size=none + 9,
            )
        )  # fmt: skip

    def step(self, op: int, n: int) -> None:
        symbol, id_ = NAMES[n % len(NAMES)], n % len(NAMES)
        match op:
            case 0 | 1:
                seconds = (0.05, 6.0)[op] * (1 + n % 3)
                self.at, self.mono = self.at + int(seconds * SECOND), self.mono + int(seconds * SECOND)
                self.give(ClockTick(at=self.at, mono=self.mono - n % 2))
            case 2 | 3:
                some = range(0, len(NAMES), 1 + n % 3)
                self.quote(some, [(n * 7 + k * 13) % 31 - 15 for k in some])
            case 4 | 5:
                action = list(Action)[n % 4] if op == 5 else Action.ENTER_LONG
                sign = action.side.sign * (-1 if n % 11 == 7 else 1)  # some have it the wrong way
                price = self.prices[id_] / 100
                signal = Signal(
                    signal_id=f"s{self.number()}", strategy="s", symbol=symbol, action=action, bar_at=self.at,
                    quoted_at=self.mono, made_at=self.mono, stop_loss=price * (1 - sign * 0.002),
                    trail_by=price / 100 if n % 2 else None,
                    target=price * (1 + sign * 0.002) if n % 3 else None,
                    inputs={"x": float("nan")},
                )  # fmt: skip
                message = Signals(at=self.at, interval=MINUTE, signals=(signal,))
                self.signals.append(RecordedLine(self.count, message))
                self.give(message)
            case 6 if self.waiting:
                request = self.waiting.pop(0)
                self.tell(request, OrderEventType.SENDING)
                event_type = (
                    OrderEventType.ACCEPTED,
                    OrderEventType.ACCEPTED,
                    OrderEventType.REFUSED,
                    OrderEventType.AMBIGUOUS,
                )[n % 4]
                self.tell(request, event_type, f"V{request.order_id}" if event_type is OrderEventType.ACCEPTED else "")
                if event_type is OrderEventType.ACCEPTED:
                    self.accepted.append(request)
            case 7 | 8 if self.accepted:
                request = self.accepted.pop(0)
                quantity = request.quantity if op == 7 else max(D(1), request.quantity // 2)
                self.give(FillReport(fill=self.execution(request, quantity), mono=self.mono))
            case 9 if self.accepted:
                status = (
                    VenueOrderStatus.OPEN,
                    VenueOrderStatus.REJECTED,
                    VenueOrderStatus.CANCELED,
                    VenueOrderStatus.FILLED,
                )[n % 4]
                self.give(OrderReport(order=self.shown(self.accepted[0], status), mono=self.mono))
            case 10:
                verb = (CommandVerb.HALT, CommandVerb.RESUME, CommandVerb.FLATTEN)[n % 3]
                scope = Scope.parse(("all", f"symbol:{symbol}")[n % 2])
                self.give(Command(verb=verb, reason="by hand", scope=scope, id=f"c{n}"))
            case 11:
                down = LinkDown(source="kite", mono=self.mono, reason="silent")
                self.give(down if n % 2 else LinkUp(source="kite", mono=self.mono))
            case 12:
                self.reason = "" if self.reason or n % 3 else "the file"
            case 13:
                orders = tuple(self.shown(r, VenueOrderStatus.OPEN) for r in self.accepted[: n % 3])
                one = VenuePosition(
                    symbol=symbol, exchange="NSE", product="MIS", quantity=D(n % 4), average_price=D(1000)
                )
                held = (one,) if n % 2 else ()
                self.give(AccountSnapshot(asked_at=self.mono, orders=orders, fills=(), positions=held, cash=D(40_000)))
            case 14:
                outside = OrderRequest(
                    order_id="", symbol=symbol, exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT, quantity=D(3)
                )
                seen = self.shown(outside, VenueOrderStatus.OPEN)
                self.give(OrderReport(order=msgspec.structs.replace(seen, venue_order_id=f"X{n}"), mono=self.mono))
            case 15 if n % 5 == 0:
                self.give(Command(verb=CommandVerb.STOP))

    def tell(self, request: OrderRequest, event_type: OrderEventType, venue_order_id: str = "") -> None:
        event = OrderEvent(
            order_id=request.order_id, type=event_type, at=self.at, mono=self.mono, venue_order_id=venue_order_id
        )
        self.give(RequestResult(event=event))

    def execution(self, request: OrderRequest, quantity: Decimal) -> Fill:
        price = self.universe.instrument_of(request.symbol).price_from_units(
            int(self.prices[self.universe.id_of(request.symbol)])
        )
        return Fill(
            execution_id=str(self.number()), venue_order_id=f"V{request.order_id}", symbol=request.symbol,
            exchange="NSE", side=request.side, quantity=quantity, price=price, traded_at=self.at,
        )  # fmt: skip

    def shown(self, request: OrderRequest, status: VenueOrderStatus) -> VenueOrder:
        return VenueOrder(
            venue_order_id=f"V{request.order_id}", tag=request.order_id, symbol=request.symbol, exchange="NSE",
            side=request.side, kind=request.kind, status=status, quantity=request.quantity,
            filled=request.quantity if status is VenueOrderStatus.FILLED else D(0),
        )  # fmt: skip

    def recorded(self) -> RecordedRun:
        self.desk.flush_inputs()
        rows = [
            JournalRow(n, "T1", 0, 0, "tape", b"", b"", encode_body("tape", batch))
            for n, batch in enumerate(self.tapes, 1)
        ]
        terms = RunSettings(
            interval=MINUTE, strategies=(msgspec.to_builtins(load_strategy("ema_cross")),),
            limits=msgspec.to_builtins(LIMITS), desk=msgspec.to_builtins(SETTINGS), venue=VENUE, opens_at=OPEN,
        )  # fmt: skip
        run = RunRecord(run_id="T1", mode="paper", account="A1", versions={"rows": BODY_FORMAT})
        return RecordedRun(
            run=run, universe=self.universe, terms=terms, before=Recovered(),
            warmup=(), closes={}, signals=tuple(self.signals), outputs=tuple(self.said), input_rows=tuple(rows),
            has_ended=True,
        )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 15), st.integers(0, 999)), min_size=20, max_size=120))
def test_a_desk_that_is_given_the_tape_says_the_same(ops: list[tuple[int, int]]) -> None:
    day = Day()
    for op, n in ops:
        day.step(op, n)

    found = asyncio.run(replay_run(day.recorded()))

    assert found.difference is None, found.difference
    assert found.facts == len(day.said)
    assert found.states >= 1


def test_a_run_of_before_trailing_stops_were_written_down_replays_without_them() -> None:
    day = Day()
    for op, n in ((2, 0), (4, 3), (6, 0), (7, 0), (2, 3), (0, 0), (2, 3), (1, 0)):
        day.step(op, n)
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
        day.step(2, n)
    day.desk.flush_inputs()

    assert len(encode_body("tape", day.tapes[-1])) < 3_000
    assert not any(isinstance(e.message, Quotes) for batch in day.tapes for e in batch.entries)


OPS = [(2, 0), (4, 0), (6, 0), (7, 0), (3, 5), (4, 1), (6, 1), (8, 1), (2, 9), (0, 1), (4, 2), (6, 4), (10, 1), (3, 2)]


def test_a_state_put_into_words_a_second_time_has_the_hash_of_one_that_was_never_told_before() -> None:
    day, states = Day(), StateHasher()
    told = []
    for op, n in OPS * 3:
        day.step(op, n)
        told.append(states.hash_book(day.desk.book))
        assert told[-1] == hash_state(day.desk.book)
    assert len(set(told)) > 10


def test_a_tape_is_cut_into_pieces_that_say_the_same_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_desk, "MAX_ENTRIES", 7)
    day = Day()
    for op, n in OPS * 5:
        day.step(op, n)

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
    day.step(2, 0)
    day.step(4, 0)
    day.desk.flush_inputs()
    assert day.desk.book.blotter.exposure.working == 1
    assert day.tapes[-1].state == ""

    day.step(6, 0)
    day.step(7, 0)
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
    for op, n in ((2, 0), (4, 0), (6, 0), (7, 0)):
        day.step(op, n)
    assert day.desk.book.positions.fill_count == 1


def test_what_changed_is_put_into_words_at_a_tick_and_not_again_for_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    day = Day()
    told = worded(monkeypatch)
    bought(day)
    assert told == []
    day.step(0, 0)
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
    day.step(4, 0)
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
