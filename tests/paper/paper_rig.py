"""A paper account over a venue that answers what the test wrote: quotes by hand, a hand-moved clock, a log on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from tradebot.clock import MILLISECOND, SECOND, ManualClock, parse_iso
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.market import BarSeries, Quotes
from tradebot.domain.messages import MarketMessage
from tradebot.domain.order import Fill, OrderKind, OrderRequest, Side, VenueHolding, VenueOrder, VenuePosition
from tradebot.domain.venue_rows import VenueRows
from tradebot.exchange.latency import NO_LATENCY, Latency
from tradebot.markets.market import HOME_MARKET
from tradebot.paper.broker import PaperBroker
from tradebot.paper.paper_market import PaperMarket
from tradebot.paper.settings import PAPER_LOG, PaperSettings
from tradebot.venues import registry
from tradebot.venues.venue import VenueRules

D = Decimal
OPENS_AT = parse_iso("2026-09-01T09:15:00+05:30")  # a Tuesday
UNIVERSE = Universe(
    [
        Instrument(symbol="RELIANCE", token=738561),
        Instrument(symbol="TCS", token=2953217),
        Instrument(symbol="NIFTY 50", token=256265, kind=InstrumentKind.INDEX),
    ]
)
ADAPTER = registry.default_adapter()
Row = dict[str, Any]


def at(second: float, day: int = 0) -> int:
    """Return a second after the opening of the first day, or of a later one, in market ns."""
    return OPENS_AT + day * 86_400 * SECOND + int(second * SECOND)


def quote(
    last: float, *, id_: int = 0, bid: float = 0, ask: float = 0, sizes: tuple[int, int] = (100, 100),
    volume: int = 0, sent_at: int = 0,
) -> Row:  # fmt: skip
    """Return one row of a frame, prices in rupees; without a bid and ask there is no depth."""
    return {
        "ids": id_, "sent_at": sent_at, "last": round(last * 100), "volume": volume, "bid": round(bid * 100),
        "ask": round(ask * 100), "bid_size": sizes[0] if bid else 0, "ask_size": sizes[1] if ask else 0,
    }  # fmt: skip


def frame(*rows: Row) -> Quotes:
    """Return rows as one frame."""
    names = ("ids", "sent_at", "last", "volume", "bid", "ask", "bid_size", "ask_size")
    return Quotes(source="hand", seen_at=0, **{n: np.array([row[n] for row in rows], dtype=np.int64) for n in names})


def order(
    number: int = 1, side: str = "BUY", kind: str = "LIMIT", *, quantity: int = 10, price: float | None = None,
    trigger: float | None = None, **fields: Any,
) -> OrderRequest:  # fmt: skip
    """Return a request for RELIANCE; market kinds are protected by 1% unless told otherwise."""
    if OrderKind(kind) in (OrderKind.MARKET, OrderKind.STOP_MARKET):
        fields.setdefault("protection_pct", D(1))
    return OrderRequest(
        **{
            "order_id": f"T{number:06}",
            "symbol": "RELIANCE",
            "exchange": "NSE",
            "side": Side(side),
            "kind": OrderKind(kind),
            "quantity": D(quantity),
            "price": None if price is None else D(str(price)),
            "trigger_price": None if trigger is None else D(str(trigger)),
        }
        | fields
    )


class HandReader:
    """A venue that can be read: an account id, the instruments, and the quotes that the test set."""

    def __init__(self, account: str = "AB1234") -> None:
        self.venue_rules: VenueRules = ADAPTER.venue_rules
        self.account, self.quotes, self.asked = account, frame(), list[str]()

    async def fetch_account_id(self) -> str:
        self.asked.append("account")
        return self.account

    async def fetch_instruments(self, symbols: Sequence[str]) -> VenueRows[Instrument]:
        return VenueRows(UNIVERSE.instrument_of(symbol) for symbol in symbols)

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        raise AssertionError("the venue's own orders are not the paper account's")

    async def fetch_fills(self) -> VenueRows[Fill]:
        raise AssertionError("the venue's own fills are not the paper account's")

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        raise AssertionError("the venue's own positions are not the paper account's")

    async def fetch_holdings(self) -> VenueRows[VenueHolding]:
        raise AssertionError("the venue's own holdings are not the paper account's")

    async def fetch_cash(self) -> Decimal:
        raise AssertionError("the venue's own cash is not the paper account's")

    async def fetch_quotes(self, universe: Universe) -> Quotes:
        self.asked.append("quotes")
        return self.quotes

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        raise AssertionError("no test asks for history")

    async def close(self) -> None:
        self.asked.append("close")


class HandFeed:
    """A feed that delivers what the test gives it."""

    def __init__(self) -> None:
        self.dropped_counts: dict[str, int] = {"malformed": 1}
        self.deliver: Callable[[MarketMessage], None] | None = None
        self.report: Callable[[VenueOrder], None] | None = None
        self.resubscribed: list[int] = []

    async def run(self, on_market: Callable[[MarketMessage], None], on_order: Callable[[VenueOrder], None]) -> None:
        self.deliver, self.report = on_market, on_order

    async def resubscribe(self, ids: Sequence[int]) -> None:
        self.resubscribed += ids


class Paper:
    """A paper account whose time the test moves; seconds count from the opening of the first day."""

    def __init__(
        self, folder: Path, *, cash: int = 1_000_000, latency: Latency = NO_LATENCY, account_id: str = "PAPER-AB1234",
        begins: float = 0, **settings: Any,
    ) -> None:  # fmt: skip
        self.clock, self.reader, self.wakes = ManualClock(at(begins)), HandReader(), 0
        self.settings = PaperSettings(cash=D(cash), log=folder / PAPER_LOG, latency=latency, **settings)
        self.market = PaperMarket(UNIVERSE, self.clock, self.settings, account_id=account_id, market=HOME_MARKET)
        self.reports: list[VenueOrder] = []
        self.market.on_order = self.reports.append
        self.broker = PaperBroker(
            self.reader, self.clock, reply_to=ADAPTER.refusal_reply_maker(), name_account=lambda name: f"PAPER-{name}",
            wake=self.count_wake,
        )  # fmt: skip
        self.broker.trade_on(self.market)

    async def open(self) -> Paper:
        await self.market.turn_day(self.clock.now_ns)
        return self

    def count_wake(self) -> None:
        self.wakes += 1

    def to(self, second: float, day: int = 0) -> None:
        """Move the clock and the market."""
        self.clock.now_ns = at(second, day)
        self.market.advance_to(self.clock.now_ns)

    def show(self, second: float, *rows: Row, day: int = 0) -> None:
        """Let a frame arrive at a second."""
        self.clock.now_ns = at(second, day)
        self.market.take_quotes(frame(*rows), self.clock.now_ns)

    async def place(self, request: OrderRequest) -> str:
        """Place an order that is accepted, let it arrive after one millisecond, and return its number."""
        reply = await self.broker.submit(request)
        number: str = getattr(reply, "venue_order_id", "")
        assert number, reply
        self.clock.now_ns += MILLISECOND
        self.market.advance_to(self.clock.now_ns)
        return number

    async def fills(self) -> list[tuple[int, Decimal]]:
        return [(int(fill.quantity), fill.price) for fill in await self.broker.fetch_fills()]

    async def state_of(self, number: str) -> str:
        return next(str(one.status) for one in await self.broker.fetch_orders() if one.venue_order_id == number)
