"""The answers of the operator's API as types: `/openapi.json` is made from them, and a test holds each to its own.

Money, prices and quantities are decimal strings and exact. Times are nanoseconds UTC of the market's clock.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec


class ApiRefusal(msgspec.Struct, frozen=True):
    """Why a request was refused, in one sentence; every status of 400 and above has this form."""

    error: str


class ListedPosition(msgspec.Struct, frozen=True):
    """An open position; `owner` says whose it is. Price and profit are null before the first quote."""

    exchange: str
    symbol: str
    product: str
    owner: str
    quantity: Decimal
    average_price: Decimal
    last: Decimal | None
    profit: Decimal | None


class PositionList(msgspec.Struct, frozen=True):
    """The open positions, ours before those of others."""

    positions: tuple[ListedPosition, ...]


class OrderRow(msgspec.Struct, frozen=True):
    """An order as the desk knows it now; `trigger` is the price at which a stop becomes active."""

    order_id: str
    symbol: str
    side: str
    kind: str
    quantity: Decimal
    filled: Decimal
    price: Decimal | None
    trigger: Decimal | None
    state: str
    purpose: str
    strategy: str
    venue_order_id: str
    changed_at: int
    reason: str


class OrderList(msgspec.Struct, frozen=True):
    """Orders, newest first; `before` continues the list, "" at its end."""

    orders: tuple[OrderRow, ...]
    before: str


class ListedTrade(msgspec.Struct, frozen=True):
    """A fill from the journal; `seq` is its row."""

    seq: int
    run_id: str
    traded_at: int
    order_id: str
    execution_id: str
    exchange: str
    symbol: str
    side: str
    quantity: Decimal
    price: Decimal


class TradeList(msgspec.Struct, frozen=True):
    """Fills, newest first; `before` continues the list, 0 at the beginning of the journal."""

    trades: tuple[ListedTrade, ...]
    before: int


class SignalRow(msgspec.Struct, frozen=True):
    """A signal from the journal; `seq` is the row of its close, `close` its price, null where there was none."""

    seq: int
    run_id: str
    signal_id: str
    strategy: str
    symbol: str
    action: str
    bar_at: int
    close: float | None


class SignalList(msgspec.Struct, frozen=True):
    """Signals, newest first; `before` continues the list, 0 at the beginning of the journal."""

    signals: tuple[SignalRow, ...]
    before: int


class BarRow(msgspec.Struct, frozen=True):
    """A closed bar; `ends_at` is its end, `repaired` says that it was fetched again after an outage."""

    seq: int
    ends_at: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    repaired: bool


class BarList(msgspec.Struct, frozen=True):
    """The bars of a symbol in this run, newest first; `before` continues the list, 0 at the beginning of the run."""

    symbol: str
    interval_s: int
    bars: tuple[BarRow, ...]
    before: int


class ProfitAnswer(msgspec.Struct, frozen=True):
    """Profit and charges in the account's currency: of this run, of the day, of the whole journal, and open now."""

    run_orders: int
    run_fills: int
    run_charges: Decimal
    run_realized: Decimal
    run_pnl_net: Decimal
    day_orders: int
    day_fills: int
    day_charges: Decimal
    day_pnl_net: Decimal
    whole_orders: int
    whole_fills: int
    whole_charges: Decimal
    whole_realized: Decimal
    whole_pnl_net: Decimal
    unrealized: Decimal


class HaltRow(msgspec.Struct, frozen=True):
    """Why entries are blocked in a scope; `verb` is the command or condition, `control` the rule that called it."""

    verb: str
    scope: str
    reason: str
    until: str = ""
    control: str = ""


class LimitRow(msgspec.Struct, frozen=True):
    """A limit of the gate in force."""

    name: str
    value: str


class UsedLimits(msgspec.Struct, frozen=True):
    """What is used of the limits now; `gross_notional` leaves out positions without a price."""

    day_profit: Decimal
    open_orders: int
    open_positions: int
    gross_notional: Decimal


class DenialRow(msgspec.Struct, frozen=True):
    """How often a control denied orders of a strategy in this run, and why the first time."""

    control: str
    strategy: str
    count: int
    reason: str


class RiskAnswer(msgspec.Struct, frozen=True):
    """Halts, limits, what is used of them, and what the gate denied."""

    halts: tuple[HaltRow, ...]
    limits: tuple[LimitRow, ...]
    used: UsedLimits
    denials: tuple[DenialRow, ...]


class SymbolRow(msgspec.Struct, frozen=True):
    """A symbol of the run; `blocked` says why no position may be opened in it, "" where none stands in the way."""

    symbol: str
    exchange: str
    kind: str
    tick_size: Decimal
    lot_size: Decimal
    last: Decimal | None
    quantity: Decimal
    blocked: str


class SymbolList(msgspec.Struct, frozen=True):
    """The symbols of the run."""

    symbols: tuple[SymbolRow, ...]


class StrategyRow(msgspec.Struct, frozen=True):
    """A strategy of the run; `paused` says why it opens no position, `symbols` is empty where it may trade all."""

    name: str
    symbols: tuple[str, ...]
    paused: str
    working: int
    denied: int


class StrategyList(msgspec.Struct, frozen=True):
    """The strategies of the run."""

    strategies: tuple[StrategyRow, ...]


class SessionAnswer(msgspec.Struct, frozen=True):
    """The session in force or next to come, null before the first; `login` is what is known of the broker's login."""

    market_time: int
    is_open: bool
    opens_at: int | None
    closes_at: int | None
    entries_until: int | None
    square_off_at: int | None
    early_symbols: int
    clock_offset_s: float | None
    login: dict[str, Any]


class LiveAnswer(msgspec.Struct, frozen=True):
    """The event loop answers; nothing more is said."""

    alive: bool


class ReadyPart(msgspec.Struct, frozen=True):
    """Whether one part is fit for trading; `reason` says why not."""

    name: str
    ready: bool
    reason: str


class ReadyAnswer(msgspec.Struct, frozen=True):
    """Whether every part is fit; the status is 503 where one is not."""

    ready: bool
    parts: tuple[ReadyPart, ...]


class HaltedAnswer(msgspec.Struct, frozen=True):
    """A halt is on disk."""

    halted: str
    scope: str


class ResumedAnswer(msgspec.Struct, frozen=True):
    """A resume is on disk; `lifted` is what the removed HALT file said."""

    resumed: str
    lifted: str


class FlattenedAnswer(msgspec.Struct, frozen=True):
    """A flatten is on disk; `known` where this id was given before. The rows are those of before."""

    id: str
    known: bool
    closing: tuple[dict[str, Any], ...]
    orders: tuple[dict[str, Any], ...]


class CancelledAnswer(msgspec.Struct, frozen=True):
    """The cancel is on disk; the order ends once the venue says so. `already` where a cancel was on its way."""

    order_id: str
    state: str
    already: bool


class StoppingAnswer(msgspec.Struct, frozen=True):
    """The run ends."""

    stopping: bool


class ReloadedAnswer(msgspec.Struct, frozen=True):
    """The settings that changed, or of a trial would change: key -> before and after. `raised` are limits that rose."""

    changed: dict[str, tuple[str, ...]]
    would_change: dict[str, tuple[str, ...]]
    raised: tuple[str, ...]
