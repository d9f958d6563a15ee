"""A desk that holds many positions, one share of each."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from tests.trading.desk.desk_rig import submitted
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import (
    AccountSnapshot,
    Action,
    Cancel,
    ClockTick,
    FillReport,
    RequestResult,
    SessionBegins,
    Signal,
    Signals,
)
from tradebot.domain.order import (
    Fill,
    OrderEvent,
    OrderEventType,
    OrderRequest,
    VenuePosition,
)
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.desk import build_desk
from tradebot.trading.desk.gate.gate import Gate
from tradebot.trading.desk.settings import DeskSettings

D = Decimal
OPEN = 1_770_090_300 * SECOND


class ManyPositions:
    """A desk that holds a share of each of many symbols, with a gate without controls."""

    def __init__(self, count: int) -> None:
        names = [f"S{i:03d}" for i in range(count)]
        self.universe = Universe([Instrument(symbol=name, token=256 * i) for i, name in enumerate(names, 1)])
        settings = DeskSettings(order_notional=D(1), max_daily_loss=D(10**9))
        book = Book(self.universe, settings, lambda order, fill: D(0))
        self.desk = build_desk(book, gate=Gate([]), id_prefix="T", absent_after_s=60.0)
        self.mono, self.at = 1000 * SECOND, OPEN
        ends = OPEN + 22_500 * SECOND
        self.desk.apply_message(SessionBegins(opens_at=OPEN, closes_at=ends, entries_until=ends, square_off_at=ends))
        held = tuple(
            VenuePosition(symbol=name, exchange="NSE", product="MIS", quantity=D(1), average_price=D(100))
            for name in names
        )
        taken = [(name, D(1), D(100)) for name in names]
        self.desk.recover_state((), adopted=taken, halted="", opens_at=OPEN)
        self.desk.adopt_snapshot(AccountSnapshot(asked_at=self.mono, orders=(), fills=(), positions=held, cash=D(0)))
        last = np.full(count, 10_000)
        self.desk.apply_message(
            Quotes(
                source="t", seen_at=self.mono, ids=np.arange(count), sent_at=np.full(count, OPEN), last=last,
                volume=last, bid=last - 5, ask=last + 5, bid_size=last, ask_size=last,
            )
        )  # fmt: skip

    def tick(self) -> list[OrderRequest]:
        self.mono, self.at = self.mono + SECOND // 20, self.at + SECOND // 20
        return submitted(self.desk.apply_message(ClockTick(at=self.at, mono=self.mono)))

    def cancels(self) -> list[Cancel]:
        self.mono, self.at = self.mono + SECOND // 20, self.at + SECOND // 20
        return [o for o in self.desk.apply_message(ClockTick(at=self.at, mono=self.mono)) if isinstance(o, Cancel)]

    def accept(self, request: OrderRequest) -> None:
        event = OrderEvent(
            order_id=request.order_id, type=OrderEventType.ACCEPTED, at=self.at, mono=self.mono,
            venue_order_id=f"V{request.order_id}",
        )  # fmt: skip
        self.desk.apply_message(RequestResult(event=event))

    def fill(self, request: OrderRequest) -> None:
        """Let an order be sent, accepted and filled."""
        self.tell(request, OrderEventType.SENDING)
        self.accept(request)
        order_id = request.order_id
        fill = Fill(f"F{order_id}", f"V{order_id}", request.symbol, "NSE", request.side, request.quantity, D(100),
                         self.at, request.product)  # fmt: skip
        self.desk.apply_message(FillReport(fill=fill, mono=self.mono))

    def signal(self, symbol: str, action: Action) -> Signals:
        told = Signal(signal_id=f"{symbol}/{action}/{self.mono}", strategy="s", symbol=symbol, action=action,
                      bar_at=self.at, quoted_at=self.mono, made_at=self.mono, close=100.0, quantity=1.0)  # fmt: skip
        return Signals(at=self.at, interval=SECOND, signals=(told,))

    def tell(self, request: OrderRequest, event_type: OrderEventType) -> list[OrderRequest]:
        event = OrderEvent(order_id=request.order_id, type=event_type, at=self.at, mono=self.mono, reason="test")
        return submitted(self.desk.apply_message(RequestResult(event=event)))
