"""Positions, profit and charges computed from fills alone, in exact fractions: a second opinion on the daemon.

Only the table of rates is shared with the daemon. Each part of the charges is rounded half up to a paisa, on the whole
turnover of the order so far. A fill is charged what it adds to that sum.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from tradebot.checker.evidence import EvidenceRow, JournalEvidence
from tradebot.checker.order_history import CheckedOrder, to_fraction
from tradebot.clock import SECOND
from tradebot.domain.products import DELIVERY, INTRADAY

RATES_FILE = Path(__file__).resolve().parent.parent / "markets/data/charges_india.toml"
NetKey = tuple[str, str, str]  # exchange, symbol, product: the unit that a venue nets
INDIA_ZONE = ZoneInfo("Asia/Kolkata")  # the tables of rates are valid by days of this zone
SHARE_KINDS = frozenset({"equity", "etf"})


class CostedPosition:
    """A position at average cost; `quantity` and `cost` have the same sign."""

    def __init__(self) -> None:
        self.quantity = self.cost = self.realized = Fraction(0)

    def apply_fill(self, signed: Fraction, price: Fraction) -> None:
        """Apply one fill: the part that closes is realized, the part that crosses zero opens at the fill's price."""
        if self.quantity * signed >= 0:
            self.quantity, self.cost = self.quantity + signed, self.cost + signed * price
            return
        closed = max(signed, -self.quantity) if signed < 0 else min(signed, -self.quantity)
        share = self.cost * -closed / self.quantity
        self.realized += -closed * price - share
        self.quantity, self.cost = self.quantity + signed, self.cost - share + (signed - closed) * price


def positions_from_fills(journal: JournalEvidence, orders: Iterable[CheckedOrder]) -> dict[NetKey, CostedPosition]:
    """Return net key -> our position after all fills, adoptions and releases, applied in the order of the rows.

    A busted fill is reversed at its own price, at the place of its row. What others closed or converted is released at
    the price in its row. A row that adopts a position of the venue names only the symbol.
    """
    entries = {seq: way for order in orders if not order.is_external for seq, way in order.fills.signs_by_seq.items()}
    found: dict[NetKey, CostedPosition] = defaultdict(CostedPosition)
    for row in journal.rows_of_kinds("order", "reconciled"):
        if row.kind == "reconciled":
            for symbol, quantity, price in row.body.get("adopted") or ():
                found["", symbol, ""].quantity = to_fraction(quantity)
                found["", symbol, ""].cost = to_fraction(quantity) * to_fraction(price)
            for part in row.body.get("released") or ():
                held = found[_line(part["key"])]
                held.apply_fill(-to_fraction(part["quantity"]), to_fraction(part["price"]))
        elif row.seq in entries:
            fill = row.body["execution"]
            if (taken := found.pop(("", fill["symbol"], ""), None)) is not None:
                found[_line(fill)] = taken
            found[_line(fill)].apply_fill(entries[row.seq] * signed_quantity(fill), to_fraction(fill["price"]))
    return dict(found)


def _line(record: dict[str, Any]) -> NetKey:
    return (str(record["exchange"]), str(record["symbol"]), str(record.get("product", INTRADAY)))


def signed_quantity(fill: dict[str, Any]) -> Fraction:
    """Return the quantity of a fill, below 0 for a sale."""
    return to_fraction(fill["quantity"]) * (1 if fill["side"] == "BUY" else -1)


def total_charges(orders: Iterable[CheckedOrder]) -> Fraction:
    """Return the charges on all our fills of shares, in units of the currency."""
    total = Fraction(0)
    for order in orders:
        if order.is_external:
            continue
        before = turnover = Fraction(0)
        for row in order.fills:
            fill = row.body["execution"]
            turnover += to_fraction(fill["quantity"]) * to_fraction(fill["price"])
            on = _day(fill)
            bill = _bill(fill["side"], fill.get("product", INTRADAY), fill["exchange"], turnover, on)
            total += bill - before
            before = bill
    return total + _debits([row for order in orders if not order.is_external for row in order.fills])


def _debits(rows: list[EvidenceRow]) -> Fraction:
    # The depository's fee is due once per share and day: on the first delivery sale beyond what the day bought.
    net: dict[tuple[date, str], Fraction] = defaultdict(Fraction)
    charged = dict[tuple[date, str], Fraction]()
    for row in sorted(rows, key=lambda row: row.seq):
        fill = row.body["execution"]
        if fill.get("product", INTRADAY) == DELIVERY:
            of = _day(fill), fill["symbol"]
            net[of] -= signed_quantity(fill)
            if net[of] > 0 and fill["side"] == "SELL" and of not in charged:
                table = _table(of[0])
                fee = _amount(table, "dp")
                charged[of] = fee + _paise(fee * to_fraction(table["gst_pct"]) / 100)
    return sum(charged.values(), Fraction(0))


def cash_flow(fills: Iterable[dict[str, Any]]) -> Fraction:
    """Return what these fills of the exchange's log add to the account's cash after charges, in its currency."""
    return sum((-signed_quantity(f) * to_fraction(f["price"]) - to_fraction(f["charges"]) for f in fills), Fraction(0))


def _bill(side: str, product: str, exchange: str, turnover: Fraction, on: date) -> Fraction:
    table = _table(on)
    rate = table["equity_intraday" if product == INTRADAY else "equity_delivery"]
    tax, stamp = (rate["tax_buy_pct"], rate["stamp_buy_pct"]) if side == "BUY" else (rate["tax_sell_pct"], 0)
    parts = [
        _paise(min(turnover * to_fraction(rate["brokerage_pct"]) / 100, _amount(rate, "brokerage_cap"))),
        _paise(turnover * to_fraction(rate["exchange_pct"][exchange]) / 100),
        _paise(turnover * _amount(table, "sebi") / 10_000_000),
    ]
    gst = _paise(sum(parts) * to_fraction(table["gst_pct"]) / 100)
    return sum(parts) + gst + _paise(turnover * to_fraction(tax) / 100) + _paise(turnover * to_fraction(stamp) / 100)


def _amount(table: dict[str, Any], name: str) -> Fraction:
    # A key for an amount of money ends with the currency.
    return next(to_fraction(value) for key, value in table.items() if key.startswith(f"{name}_"))


def _day(fill: dict[str, Any]) -> date:
    return datetime.fromtimestamp(fill["traded_at"] // SECOND, INDIA_ZONE).date()


def _table(on: date) -> dict[str, Any]:
    return max((t for t in _tables() if t["since"] <= on), key=lambda t: t["since"], default=_tables()[0])


def _tables() -> list[dict[str, Any]]:
    if not _read:
        with RATES_FILE.open("rb") as file:
            _read.extend(tomllib.load(file, parse_float=str)["table"])
        _read.sort(key=lambda table: table["since"])
    return _read


def _paise(amount: Fraction) -> Fraction:
    return Fraction(floor(amount * 100 + Fraction(1, 2)), 100)


_read: list[dict[str, Any]] = []
