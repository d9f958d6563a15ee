"""One account with one desk at it: what the desk sends is placed there, what others trade there is told it."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

import numpy as np

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import (
    AccountSnapshot,
    Action,
    Cancel,
    ClockTick,
    FillReport,
    OrderReport,
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
    OrderKind,
    Side,
    VenueHolding,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.decisions import DeskOutput
from tradebot.trading.desk.desk import build_desk
from tradebot.trading.desk.gate.limits import Limits, build_gate
from tradebot.trading.desk.settings import DeskSettings

D = Decimal
OPEN = 1_770_090_300 * SECOND
LARGE = D(10**9)


class Paper:
    """An order in the account: who placed it is its tag."""

    def __init__(self, id_: str, tag: str, side: Side, product: str, quantity: int) -> None:
        self.id, self.tag, self.side, self.product, self.quantity = id_, tag, side, product, quantity
        self.filled, self.is_cancelled = 0, False

    @property
    def left(self) -> int:
        return 0 if self.is_cancelled else self.quantity - self.filled

    def shown(self, at: int) -> VenueOrder:
        if self.is_cancelled:
            status = VenueOrderStatus.CANCELED
        else:
            status = VenueOrderStatus.OPEN if self.left else VenueOrderStatus.FILLED
        return VenueOrder(
            venue_order_id=self.id, tag=self.tag, symbol="AAA", exchange="NSE", side=self.side, kind=OrderKind.LIMIT,
            status=status, quantity=D(self.quantity), filled=D(self.filled), price=D(100), average_price=D(100),
            product=self.product, changed_at=at,
        )  # fmt: skip


class Day:
    """One account with one desk at it. Everything but a conversion is told as it happens, trades maybe later."""

    def __init__(self, *, owned: int) -> None:
        self.owned = owned  # shares from before
        self.net: dict[str, int] = defaultdict(int)  # product -> what was traded of it today, conversions included
        self.papers: list[Paper] = []
        self.trades: list[tuple[Paper, Fill]] = []
        self.untold: list[Fill] = []
        self.said: list[OrderEvent] = []  # the journal's rows of orders
        self.at, self.mono, self.signals = OPEN, 1000 * SECOND, 0
        universe = Universe([Instrument(symbol="AAA", token=256)])
        limits = Limits(
            allow_short=True, max_order_quantity=LARGE, max_order_notional=LARGE, max_position_notional=LARGE,
            max_gross_notional=LARGE, max_daily_loss=LARGE, orders_per_second=10**6, orders_per_minute=10**6,
            orders_per_day=10**6, duplicate_window_s=0.0, stale_after_s=10.0**6, max_stop_pct=None,
        )  # fmt: skip
        own = DeskSettings(order_notional=D(1000), max_daily_loss=LARGE, chase_after_s=10.0**6)
        book = Book(universe, own, lambda order, fill: D(0))
        self.desk = build_desk(
            book, gate=build_gate(limits, kill_reason=lambda: ""), id_prefix="T", absent_after_s=60.0
        )
        ends = OPEN + 22_000 * SECOND
        self.desk.apply_message(SessionBegins(opens_at=OPEN, closes_at=ends, entries_until=ends, square_off_at=ends))
        self.follow(self.desk.apply_message(ClockTick(at=self.at, mono=self.mono)))
        self.follow(self.desk.adopt_snapshot(self.books()))
        one = np.array([10_000])
        self.desk.apply_message(
            Quotes(
                source="t", seen_at=self.mono, ids=np.array([0]), sent_at=np.array([self.at]), last=one, volume=one,
                bid=one - 5, ask=one + 5, bid_size=one, ask_size=one,
            )
        )  # fmt: skip

    # ---- the account

    def held(self, product: str) -> int:
        return self.net[product] + (self.owned if product == "CNC" else 0)

    def place(self, tag: str, side: Side, product: str, quantity: int) -> Paper:
        paper = Paper(f"V{len(self.papers)}", tag, side, product, quantity)
        self.papers.append(paper)
        return paper

    def fill(self, paper: Paper, quantity: int, *, is_told: bool) -> None:
        before = self.held(paper.product)
        self.net[paper.product] += quantity * paper.side.sign
        paper.filled += quantity
        fill = Fill(
            execution_id=f"e{len(self.trades)}", venue_order_id=paper.id, symbol="AAA", exchange="NSE", side=paper.side,
            quantity=D(quantity), price=D(100), traded_at=self.at, product=paper.product,
        )  # fmt: skip
        self.trades.append((paper, fill))
        if paper.tag:
            order = self.desk.book.blotter.orders[paper.tag]
            if order.request.purpose.is_exit:
                after = self.held(paper.product)
                assert before * paper.side.sign < 0, f"an exit {paper.side} of what the venue holds {before} of"
                assert after * before >= 0, f"an exit left the product on the other side: {before} to {after}"
        self.untold.append(fill)
        self.follow(self.desk.apply_message(OrderReport(order=paper.shown(self.at), mono=self.mono)))
        if is_told:
            self.tell()

    def tell(self) -> None:
        untold, self.untold = self.untold, []
        for fill in untold:
            self.follow(self.desk.apply_message(FillReport(fill=fill, mono=self.mono)))

    def books(self) -> AccountSnapshot:
        self.untold.clear()  # the list of trades tells them
        held = (VenueHolding(symbol="AAA", exchange="NSE", quantity=D(self.owned), average_price=D(90)),)
        return AccountSnapshot(
            asked_at=self.mono,
            orders=tuple(paper.shown(self.at) for paper in self.papers),
            fills=tuple(fill for _, fill in self.trades),
            positions=tuple(
                VenuePosition(symbol="AAA", exchange="NSE", product=p, quantity=D(q), average_price=D(100))
                for p, q in self.net.items()
            ),
            holdings=held if self.owned else (),
            cash=D(0),
        )

    # ---- what happens

    def pass_time(self, seconds: float = 1.0) -> None:
        self.at, self.mono = self.at + int(seconds * SECOND), self.mono + int(seconds * SECOND)
        self.follow(self.desk.apply_message(ClockTick(at=self.at, mono=self.mono)))

    def look(self) -> list[DeskOutput]:
        outputs = self.desk.apply_message(self.books())
        self.follow(outputs)
        return outputs

    def signal(self, action: Action, quantity: int) -> None:
        self.signals += 1
        signal = Signal(
            signal_id=f"s{self.signals}", strategy="s", symbol="AAA", action=action, bar_at=self.at,
            quoted_at=self.mono, made_at=self.mono, close=100.0, quantity=float(quantity),
        )  # fmt: skip
        self.follow(self.desk.apply_message(Signals(at=self.at, interval=60 * SECOND, signals=(signal,))))

    def convert(self, of: str, to: str, quantity: int) -> None:
        held = self.net[of]
        moved = min(quantity, abs(held)) * (1 if held > 0 else -1)
        self.net[of] -= moved
        self.net[to] += moved
        self.look()

    def follow(self, outputs: list[DeskOutput]) -> None:
        for output in outputs:
            if isinstance(output, OrderEvent):
                self.said.append(output)
            if isinstance(output, Submit):
                request = output.request
                held = self.net[request.product]
                if not request.purpose.is_exit:
                    assert held * request.side.sign >= 0, f"an entry {request.side} closes {held} that is not ours"
                for event_type in (OrderEventType.SENDING, OrderEventType.ACCEPTED):
                    paper_id = f"V{len(self.papers)}" if event_type is OrderEventType.ACCEPTED else ""
                    if paper_id:
                        self.place(request.order_id, request.side, request.product, int(request.quantity))
                    event = OrderEvent(request.order_id, event_type, self.at, self.mono, venue_order_id=paper_id)
                    if event_type is OrderEventType.SENDING:
                        self.said.append(event)
                    self.follow(self.desk.apply_message(RequestResult(event=event)))
            elif isinstance(output, Cancel) and output.venue_order_id:
                paper = next(p for p in self.papers if p.id == output.venue_order_id)
                assert paper.tag, "an order of another hand is not ours to cancel"
                if paper.left:
                    paper.is_cancelled = True
                    self.follow(self.desk.apply_message(OrderReport(order=paper.shown(self.at), mono=self.mono)))
