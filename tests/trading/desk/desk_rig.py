"""A desk driven by hand, message by message, with the clock and the venue's answers in the hand of a test."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import (
    AccountSnapshot,
    Action,
    ClockTick,
    EarlySessionEnd,
    FillReport,
    RequestResult,
    SessionBegins,
    Signal,
    Signals,
    Submit,
)
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderRequest,
    OrderState,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from tradebot.domain.venue_rows import UnreadRow
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.desk import build_desk
from tradebot.trading.desk.gate.exposure_controls import MaxDailyLoss, MaxOpenOrders, MaxPosition, ReduceOnly
from tradebot.trading.desk.gate.flow_controls import FreshData, InSession, MessageRate, NoDuplicate, NotHalted
from tradebot.trading.desk.gate.gate import Control, Gate
from tradebot.trading.desk.gate.limits import Limits, build_gate
from tradebot.trading.desk.gate.order_controls import MaxOrderSize, OrderSanity, PermittedProduct, PriceCollar
from tradebot.trading.desk.gate.venue_controls import PositionAccounted
from tradebot.trading.desk.settings import DeskSettings

OPEN = 1_700_000_100 * SECOND
DAY = 86_400 * SECOND
D = Decimal


def gate(product: str = "MIS") -> Gate:
    controls: list[Control] = [
        NotHalted(),
        InSession(),
        PermittedProduct(products=(product,), allow_short=False),
        OrderSanity(),
        MaxOrderSize(max_quantity=D(500), max_notional=D(20000)),
        FreshData(max_age_s=15.0),
        PriceCollar(collar_pct=D(1)),
        NoDuplicate(window_s=5.0),
        MaxOpenOrders(max_open=5),
        MaxPosition(per_symbol=D(25000), gross=D(40000)),
        ReduceOnly(),
        PositionAccounted(),
        MaxDailyLoss(max_loss=D(1000)),
        MessageRate(per_second=8, per_minute=200, per_day=2000),
    ]
    return Gate(controls)


class DeskRig:
    """A desk with a clock that the test moves, and the venue's answers at hand."""

    def __init__(self, *, id_prefix: str = "T", **settings: object) -> None:
        self.universe = Universe(
            [
                Instrument(symbol="AAA", token=256),
                Instrument(symbol="BBB", token=512),
                Instrument(symbol="IDX", token=777, kind=InstrumentKind.INDEX),
            ]
        )
        chosen = {"order_notional": D(10000), "protection_pct": D("0.5")} | settings
        book = Book(self.universe, DeskSettings(**chosen), lambda order, fill: D(1))  # type: ignore[arg-type]
        self.desk = build_desk(book, gate=gate(book.settings.product), id_prefix=id_prefix, absent_after_s=60.0)
        self.mono = 1000 * SECOND
        self.at = OPEN
        self.trades = 0
        self.desk.apply_message(
            SessionBegins(
                opens_at=OPEN,
                closes_at=OPEN + 22500 * SECOND,
                entries_until=OPEN + 20000 * SECOND,
                square_off_at=OPEN + 21000 * SECOND,
            )
        )
        self.tick(0)

    def tick(self, seconds: float = 0.05) -> list[DeskOutput]:
        self.mono += int(seconds * SECOND)
        self.at += int(seconds * SECOND)
        return self.desk.apply_message(ClockTick(at=self.at, mono=self.mono))

    def quote(self, symbol: str, price: str, *, spread: str = "0.10") -> list[DeskOutput]:
        i = self.universe.instrument_of(symbol)
        units = i.price_to_units(D(price))
        half = i.price_to_units(D(spread)) // 2

        def column(value: int) -> np.ndarray:
            return np.array([value], dtype=np.int64)

        return self.desk.apply_message(
            Quotes(
                source="t",
                seen_at=self.mono,
                ids=column(self.universe.id_of(symbol)),
                sent_at=column(self.at),
                last=column(units),
                volume=column(1),
                bid=column(units - half),
                ask=column(units + half),
                bid_size=column(100),
                ask_size=column(100),
            )
        )

    def positions(self) -> tuple[VenuePosition, ...]:
        """What a venue lists where no other hand trades."""
        return tuple(
            VenuePosition(
                symbol=p.symbol, exchange="NSE", product="MIS", quantity=p.quantity, average_price=p.average_price
            )
            for p in self.desk.book.positions.by_key.values()
        )

    def signal(
        self, symbol: str, action: Action, n: int = 1, strategy: str = "s", **fields: object
    ) -> list[DeskOutput]:
        signal = Signal(
            signal_id=f"{symbol}-{action}-{n}",
            strategy=strategy,
            symbol=symbol,
            action=action,
            bar_at=self.at,
            quoted_at=self.mono,
            made_at=self.mono,
            **fields,  # type: ignore[arg-type]
        )
        return self.desk.apply_message(Signals(at=self.at, interval=60 * SECOND, signals=(signal,)))

    def outcome(self, request: OrderRequest, event_type: OrderEventType, venue_order_id: str = "") -> list[DeskOutput]:
        event = OrderEvent(
            order_id=request.order_id, type=event_type, at=self.at, mono=self.mono, venue_order_id=venue_order_id
        )
        return self.desk.apply_message(RequestResult(event=event))

    def execution(self, request: OrderRequest, quantity: int, price: str, venue_id: str = "V1") -> Fill:
        self.trades += 1
        return Fill(
            execution_id=str(self.trades),
            venue_order_id=venue_id,
            symbol=request.symbol,
            exchange="NSE",
            side=request.side,
            quantity=D(quantity),
            price=D(price),
            traded_at=self.at,
        )

    def fill(self, request: OrderRequest, quantity: int, price: str, venue_id: str = "V1") -> list[DeskOutput]:
        return self.desk.apply_message(
            FillReport(fill=self.execution(request, quantity, price, venue_id), mono=self.mono)
        )

    def venue_order(self, request: OrderRequest, status: VenueOrderStatus, *, filled: int = 0) -> VenueOrder:
        return VenueOrder(
            venue_order_id="V1",
            tag=request.order_id,
            symbol=request.symbol,
            exchange="NSE",
            side=request.side,
            kind=request.kind,
            status=status,
            quantity=request.quantity,
            filled=D(filled),
        )

    def entered(self, price: str = "1000", venue_id: str = "V1", **fields: object) -> OrderRequest:
        """Enter AAA, and let the venue accept it under an id."""
        self.quote("AAA", price)
        (request,) = submitted(self.signal("AAA", Action.ENTER_LONG, **fields))
        self.outcome(request, OrderEventType.SENDING)
        self.outcome(request, OrderEventType.ACCEPTED, venue_id)
        return request

    def bought(self, price: str = "1000", **fields: object) -> OrderRequest:
        """Enter AAA and fill it whole."""
        request = self.entered(price, **fields)
        self.fill(request, int(request.quantity), price)
        return request


def submitted(outputs: list[DeskOutput]) -> list[OrderRequest]:
    return [o.request for o in outputs if isinstance(o, Submit)]


def events(outputs: list[DeskOutput]) -> list[OrderEventType]:
    return [o.type for o in outputs if isinstance(o, OrderEvent)]


def poll_account(rig: DeskRig, *unread: UnreadRow, **books: object) -> list[DeskOutput]:
    plain = {"orders": (), "fills": (), "positions": (), "cash": None} | books
    return rig.desk.apply_message(AccountSnapshot(asked_at=rig.mono, unread=unread, **plain))  # type: ignore[arg-type]


def enter_and_send(
    rig: DeskRig, event_type: OrderEventType = OrderEventType.AMBIGUOUS, venue_order_id: str = ""
) -> OrderRequest:
    rig.quote("AAA", "1000")
    (request,) = submitted(rig.signal("AAA", Action.ENTER_LONG))
    rig.outcome(request, OrderEventType.SENDING)
    rig.outcome(request, event_type, venue_order_id)
    return request


def order_state(rig: DeskRig, request: OrderRequest) -> OrderState:
    return rig.desk.book.blotter.orders[request.order_id].state


def with_all_controls(rig: DeskRig) -> DeskRig:
    """A rig whose gate has all the controls, the short way past them included."""
    rig.desk.placement._gate = build_gate(Limits(stale_after_s=15.0), kill_reason=lambda: "")
    return rig


def session_with_early_end(opens_at: int, *, early: tuple[str, ...] = ()) -> SessionBegins:
    """A day of 1,000 s in which `early` symbols end 300 s before the others: entries, square-off and close."""

    def after(seconds: int) -> int:
        return opens_at + seconds * SECOND

    ending = EarlySessionEnd(entries_until=after(400), square_off_at=after(500), closes_at=after(600), symbols=early)
    return SessionBegins(
        opens_at=opens_at, entries_until=after(700), square_off_at=after(800), closes_at=after(1000),
        early_ends=(ending,) if early else (),
    )  # fmt: skip
