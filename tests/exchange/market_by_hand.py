"""A market whose every row is written by the test: the price source and the tickets the exchange tests share."""

from collections.abc import Iterator
from decimal import Decimal

import numpy as np

from tradebot.clock import SECOND, ManualClock, parse_iso
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.market import BarSeries
from tradebot.domain.order import OrderKind, Side
from tradebot.exchange.account import OpeningBalance
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.latency import NO_LATENCY
from tradebot.exchange.snapshot import DEPTH_LEVELS, SNAPSHOT_COLUMNS, Snapshots
from tradebot.exchange.ticket import BookOrder, Ticket
from tradebot.markets.hours import closing_times
from tradebot.markets.market import HOME_MARKET

D = Decimal
OPENS_AT = parse_iso("2026-09-01T09:15:00+05:30")
CLOSES_AT = parse_iso("2026-09-01T15:30:00+05:30")
UNIVERSE = Universe(
    [
        Instrument(symbol="RELIANCE", token=738561),
        Instrument(symbol="TCS", token=2953217),
        Instrument(symbol="NIFTY 50", token=256265, kind=InstrumentKind.INDEX),
    ]
)
SHARES = Universe(
    [
        Instrument(symbol="RELIANCE", token=1, has_derivatives=True),
        Instrument(symbol="TCS", token=2, has_derivatives=False),
    ]
)


def levels(pairs):
    """Return prices and quantities of up to five (price, quantity) levels in paise, padded with zeros."""
    padded = [*pairs, *[(0, 0)] * (DEPTH_LEVELS - len(pairs))]
    return [round(float(p) * 100) for p, _ in padded], [q for _, q in padded]


def row(id_=0, *, last, traded=0, bids=((99.95, 100),), asks=((100.05, 100),)):
    """Return one row of snapshot columns, prices in rupees."""
    columns = dict.fromkeys(SNAPSHOT_COLUMNS, 0)
    columns |= {"ids": id_, "last": round(last * 100), "previous_close": 10_000, "traded": traded}
    columns["bids"], columns["bid_quantities"] = levels(bids)
    columns["asks"], columns["ask_quantities"] = levels(asks)
    columns["bid_orders"] = columns["ask_orders"] = [1] * DEPTH_LEVELS
    return columns


def snapshots(at, *rows):
    """Return rows as one message."""
    columns = {n: np.array([r[n] for r in rows], dtype=np.int64) for n in SNAPSHOT_COLUMNS}
    return Snapshots(at=at, **columns)


class HandSource:
    """A price source of the rows it is given; `+ seconds` after the opening."""

    depth_levels = DEPTH_LEVELS

    def __init__(self, *, opens_at=OPENS_AT, closes_at=CLOSES_AT, closes=None, universe=UNIVERSE, opening=None):
        self.universe, self.opens_at, self.closes_at = universe, opens_at, closes_at
        self.instrument_closes_at = np.array(closes or [closes_at] * len(universe), dtype=np.int64)
        self.lower_circuit = np.full(len(universe), 9_000, dtype=np.int64)
        self.upper_circuit = np.full(len(universe), 11_000, dtype=np.int64)
        self.coming: list[Snapshots] = []
        self.first = opening or [row(i, last=100) for i in range(len(universe))]

    def opening_snapshot(self) -> Snapshots:
        return snapshots(self.opens_at, *self.first)

    def show(self, at: int, *rows) -> None:
        self.coming.append(snapshots(at, *rows))

    def steps_until(self, until_at: int) -> Iterator[Snapshots]:
        while self.coming and self.coming[0].at <= until_at:
            yield self.coming.pop(0)

    def bar_series(self, id_: int, *, interval_ns: int, start_at: int, end_at: int) -> BarSeries:
        raise NotImplementedError

    @property
    def is_finished(self) -> bool:
        return not self.coming


class Market:
    """An exchange over a hand-written source with a hand-moved clock; seconds count from the opening."""

    def __init__(
        self, *, cash=1_000_000, latency=NO_LATENCY, log=None, seed=7, opens_at=OPENS_AT, closes=None, opening=None,
        universe=UNIVERSE, **options,
    ):  # fmt: skip
        closes_at = opens_at + (CLOSES_AT - OPENS_AT)
        self.source = HandSource(
            opens_at=opens_at, closes_at=closes_at, closes=closes, opening=opening, universe=universe
        )
        self.clock = ManualClock(opens_at)
        balance = OpeningBalance(
            cash=D(cash), **{name: options.pop(name) for name in ("account_id", "holdings") if name in options}
        )
        self.exchange = Exchange(
            self.source, self.clock, seed=seed, balance=balance, latency=latency, log=log, **options
        )
        self.versions: list[BookOrder] = []
        self.exchange.order_listeners.append(self.versions.append)

    def to(self, seconds: float) -> None:
        """Move the clock and the exchange to a second of the session."""
        self.clock.now_ns = self.source.opens_at + int(seconds * SECOND)
        self.exchange.advance_to(self.clock.now_ns)

    def show(self, seconds: float, *rows) -> None:
        """Publish rows at a second of the session and go there."""
        self.source.show(self.source.opens_at + int(seconds * SECOND), *rows)
        self.to(seconds)

    def place(self, *args, **fields) -> str:
        """Place an order, let it arrive, and return its number."""
        order_id = self.exchange.place_order(ticket(*args, **fields)).order_id
        self.exchange.advance_to(self.clock.now_ns)
        return order_id

    def order(self, order_id: str) -> BookOrder:
        return self.exchange.order_history(order_id)[-1]

    def statuses(self, order_id: str) -> list[str]:
        return [version.status.value for version in self.exchange.order_history(order_id)]

    def fills(self) -> list[tuple[int, Decimal]]:
        return [(int(t.quantity), t.price) for t in self.exchange.trade_rows()]


def dated_market(opens_at: int, **options) -> Market:
    """RELIANCE has derivatives and TCS, for once, has none; both close by the calendar of the day."""
    closes = closing_times(SHARES, HOME_MARKET.date_of(opens_at), HOME_MARKET.calendar).tolist()
    opening = [row(i, last=100) for i in range(len(SHARES))]
    return Market(opens_at=opens_at, closes=closes, universe=SHARES, opening=opening, **options)


def ticket(side="BUY", quantity=10, kind="LIMIT", price=None, trigger=None, **fields) -> Ticket:
    """Return a ticket for RELIANCE; market kinds are protected by 1% unless told otherwise."""
    kind = OrderKind(kind)
    if kind in (OrderKind.MARKET, OrderKind.STOP_MARKET):
        fields.setdefault("protection_pct", D(1))
    return Ticket(
        **{
            "exchange": "NSE",
            "symbol": "RELIANCE",
            "side": Side(side),
            "kind": kind,
            "quantity": D(quantity),
            "price": None if price is None else D(str(price)),
            "trigger_price": None if trigger is None else D(str(trigger)),
        }
        | fields
    )
