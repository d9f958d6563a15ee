"""A day of a recording desk, made up message by message, and the operations that a random day is made of."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum

import msgspec
import numpy as np

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
from tradebot.journal.input_log import InputLogBatch
from tradebot.journal.recovery import RecoveredAccount as Recovered
from tradebot.journal.rows import BODY_FORMAT, JournalRow, RunRecord, RunSettings, encode_body
from tradebot.replay.recorded_run import RecordedLine, RecordedRun
from tradebot.strategies.loading import load_strategy
from tradebot.trading.desk.book.book import Book
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


class Step(StrEnum):
    """What can happen on a day, by the name of its method; a random day draws from them in this order."""

    TICK = "tick"
    WAIT = "wait"
    QUOTE = "quote_some"
    QUOTE_MORE = "quote_more"
    ENTER = "enter_long"
    SIGNAL = "signal"
    ANSWER = "answer_order"
    FILL = "fill_whole"
    FILL_HALF = "fill_half"
    REPORT = "report_order"
    COMMAND = "command"
    LINK = "change_link"
    KILL_FILE = "change_kill_file"
    POLL = "poll_account"
    OUTSIDE = "report_outside_order"
    STOP = "stop"


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

    def step(self, step: Step, n: int) -> None:
        """Let one thing happen; `n` says which symbol, side, quantity or answer."""
        getattr(self, step)(n)

    def tick(self, n: int) -> None:
        self._pass_time(0.05, n)

    def wait(self, n: int) -> None:
        self._pass_time(6.0, n)

    def _pass_time(self, shortest_s: float, n: int) -> None:
        seconds = shortest_s * (1 + n % 3)
        self.at, self.mono = self.at + int(seconds * SECOND), self.mono + int(seconds * SECOND)
        self.give(ClockTick(at=self.at, mono=self.mono - n % 2))

    def quote_some(self, n: int) -> None:
        some = range(0, len(NAMES), 1 + n % 3)
        self.quote(some, [(n * 7 + k * 13) % 31 - 15 for k in some])

    def quote_more(self, n: int) -> None:
        self.quote_some(n)

    def enter_long(self, n: int) -> None:
        self._signal(Action.ENTER_LONG, n)

    def signal(self, n: int) -> None:
        self._signal(list(Action)[n % 4], n)

    def _signal(self, action: Action, n: int) -> None:
        symbol, id_ = NAMES[n % len(NAMES)], n % len(NAMES)
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

    def answer_order(self, n: int) -> None:
        if not self.waiting:
            return
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

    def fill_whole(self, n: int) -> None:
        if self.accepted:
            request = self.accepted.pop(0)
            self._fill(request, request.quantity)

    def fill_half(self, n: int) -> None:
        if self.accepted:
            request = self.accepted.pop(0)
            self._fill(request, max(D(1), request.quantity // 2))

    def _fill(self, request: OrderRequest, quantity: Decimal) -> None:
        self.give(FillReport(fill=self.execution(request, quantity), mono=self.mono))

    def report_order(self, n: int) -> None:
        if self.accepted:
            status = (
                VenueOrderStatus.OPEN,
                VenueOrderStatus.REJECTED,
                VenueOrderStatus.CANCELED,
                VenueOrderStatus.FILLED,
            )[n % 4]
            self.give(OrderReport(order=self.shown(self.accepted[0], status), mono=self.mono))

    def command(self, n: int) -> None:
        verb = (CommandVerb.HALT, CommandVerb.RESUME, CommandVerb.FLATTEN)[n % 3]
        scope = Scope.parse(("all", f"symbol:{NAMES[n % len(NAMES)]}")[n % 2])
        self.give(Command(verb=verb, reason="by hand", scope=scope, id=f"c{n}"))

    def change_link(self, n: int) -> None:
        down = LinkDown(source="kite", mono=self.mono, reason="silent")
        self.give(down if n % 2 else LinkUp(source="kite", mono=self.mono))

    def change_kill_file(self, n: int) -> None:
        self.reason = "" if self.reason or n % 3 else "the file"

    def poll_account(self, n: int) -> None:
        orders = tuple(self.shown(r, VenueOrderStatus.OPEN) for r in self.accepted[: n % 3])
        one = VenuePosition(
            symbol=NAMES[n % len(NAMES)], exchange="NSE", product="MIS", quantity=D(n % 4), average_price=D(1000)
        )
        held = (one,) if n % 2 else ()
        self.give(AccountSnapshot(asked_at=self.mono, orders=orders, fills=(), positions=held, cash=D(40_000)))

    def report_outside_order(self, n: int) -> None:
        outside = OrderRequest(
            order_id="", symbol=NAMES[n % len(NAMES)], exchange="NSE", side=Side.BUY, kind=OrderKind.LIMIT,
            quantity=D(3),
        )  # fmt: skip
        seen = self.shown(outside, VenueOrderStatus.OPEN)
        self.give(OrderReport(order=msgspec.structs.replace(seen, venue_order_id=f"X{n}"), mono=self.mono))

    def stop(self, n: int) -> None:
        if n % 5 == 0:
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


def accepted(day: Day) -> OrderRequest:
    """Send the order that waits and have it accepted."""
    request = day.waiting.pop(0)
    day.tell(request, OrderEventType.SENDING)
    day.tell(request, OrderEventType.ACCEPTED, f"V{request.order_id}")
    return request
