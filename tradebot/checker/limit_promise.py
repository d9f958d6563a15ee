"""I6: what every order let through would mean at worst, added up here a second time, against the limits in force.

Orders and positions are the checker's own story of them; prices are those that the journal knows: an order's limit,
the reference that its INTENT row names, and for the other symbols the last price of either kind, of a fill or of a bar.
"""

from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from tradebot.checker.case import Case
from tradebot.checker.evidence import Row
from tradebot.checker.story import OrderStory, number
from tradebot.checker.verdict import Verdict, broken, listed, not_shown, ok
from tradebot.clock import SECOND

HELD = {"CANCELED": 2 * SECOND, "EXPIRED": 2 * SECOND, "ABSENT": 600 * SECOND}  # reserved after their end
# The gate values the other symbols at their newest quotes, which are not in these rows: what the prices of their last
# bars make of them passes the gross limit only when it is above it by more than prices move in one.
OFF = Fraction(11, 10)
ZERO = Fraction(0)


class Exposure:
    """What the account held and might hold, row by row."""

    def __init__(self) -> None:
        self.orders: dict[str, OrderStory] = {}
        self.limits: dict[str, Any] | None = None
        self._open: dict[str, set[str]] = defaultdict(set)  # symbol -> orders that live or are reserved
        self._positions: dict[str, Fraction] = defaultdict(Fraction)
        self._prices: dict[str, Fraction] = {}
        self._ended: dict[str, int] = {}  # order id -> monotonic time of its end
        self._listed: dict[int, tuple[str, int]] = {}  # id in the universe -> symbol, decimals of its prices
        self._asked: dict[str, Fraction] = {}  # order id -> quantity that a change asks for

    def take(self, row: Row) -> None:
        """Take the next row."""
        match row.kind:
            case "terms":
                self.limits = row.body.get("limits")
            case "reconciled":
                self._reconciled(row.body)
            case "universe":
                listed = enumerate(row.body.get("instruments") or ())
                self._listed = {id_: (str(i["symbol"]), int(i.get("price_decimals", 2))) for id_, i in listed}
            case "close":
                self._closed(row.body)
            case "order":
                order_id, event = str(row.body.get("order_id", "")), row.body.get("event")
                if order_id in self.orders:
                    self._followed(self.orders[order_id], row)
                elif event in ("intent", "denied"):
                    self._begun(order_id, row)

    def _reconciled(self, body: dict[str, Any]) -> None:
        for symbol, quantity, price in body.get("adopted") or ():
            self._positions[symbol], self._prices[symbol] = number(quantity), number(price)
        for part in body.get("released") or ():
            self._positions[part["key"]["symbol"]] -= number(part["quantity"])

    def _closed(self, body: dict[str, Any]) -> None:
        if not (exposed := self._exposed()):
            return
        columns = body.get("columns") or {}
        for id_, price in zip(_ints(columns["ids"]), _ints(columns["close"]), strict=True):
            symbol, decimals = self._listed.get(id_, ("", 0))
            if symbol in exposed:
                self._prices[symbol] = Fraction(price, 10**decimals)

    def _begun(self, order_id: str, row: Row) -> None:
        order = self.orders[order_id] = OrderStory(row)
        if order.is_external:  # what other hands trade is in no limit of ours
            return
        if order.is_live:
            self._open[order.symbol].add(order_id)
        if price := price_of(row):
            self._prices[order.symbol] = price

    def _followed(self, order: OrderStory, row: Row) -> None:
        order_id, event = order.order_id, row.body.get("event")
        before, was_live = order.filled, order.is_live
        order.add(row)
        if order.is_external:
            return
        if order.filled != before:
            sign = 1 if order.request.get("side") == "BUY" else -1
            self._positions[order.symbol] += sign * (order.filled - before)
            self._prices[order.symbol] = number(row.body["execution"]["price"])
        if event == "replace_sent":
            self._asked[order_id] = number((row.body.get("terms") or {}).get("quantity", "0"))
        elif event in ("replaced", "changed"):
            self._asked.pop(order_id, None)
        if order.is_live:
            self._open[order.symbol].add(order_id)
        elif was_live:
            self._over(order, row)

    def _over(self, order: OrderStory, row: Row) -> None:
        self._ended[order.order_id] = int(row.body.get("mono") or 0)
        is_proof = row.body.get("event") != "not_found" or bool(row.body.get("is_proof"))
        if order.state not in HELD or (order.state == "ABSENT" and is_proof):
            self._open[order.symbol].discard(order.order_id)

    def worst(self, symbol: str, mono: int) -> tuple[Fraction, Fraction]:
        """Return (longest, shortest) position of a symbol if all its buys, or all its sells, filled."""
        longest = shortest = self._positions.get(symbol, ZERO)
        for order_id in tuple(self._open.get(symbol, ())):
            order = self.orders[order_id]
            if not order.is_live and not 0 <= mono - self._ended[order_id] < HELD.get(order.state, 0):
                self._open[symbol].discard(order_id)
                continue
            most = max(order.quantity, self._asked.get(order_id, ZERO)) if order.is_live else order.quantity
            rest = max(most - order.filled, ZERO)
            if order.request.get("side") == "BUY":
                longest += rest
            else:
                shortest -= rest
        return longest, shortest

    def others(self, symbol: str, mono: int) -> Fraction:
        """Return what all other symbols are worth at worst, at the last prices known of them."""
        found = (max(map(abs, self.worst(s, mono))) * self._prices.get(s, ZERO) for s in self._exposed() - {symbol})
        return sum(found, ZERO)

    def _exposed(self) -> set[str]:
        return {s for s, quantity in self._positions.items() if quantity} | {s for s, ids in self._open.items() if ids}


def limits_hold(case: Case) -> Verdict:
    """I6: no entry was let through that at worst passes a limit on an order, a position or all of them."""
    exposure, faults, entries, unvalued = Exposure(), list[str](), 0, 0
    for row in case.journal.rows:
        if row.kind == "order" and row.body.get("event") == "intent" and exposure.limits is not None:
            request = row.body.get("request") or {}
            if request.get("purpose") == "entry" and str(row.body["order_id"]) not in exposure.orders:
                entries += 1
                price = price_of(row)
                unvalued += not price
                faults += _passed(row, request, price, exposure) if price else ()
        exposure.take(row)
    if faults:
        return broken("I6", listed(faults))
    if exposure.limits is None:
        return not_shown("I6", "the journal does not hold the limits that the gate was given")
    if unvalued:
        return not_shown("I6", f"{unvalued} of {entries} entries do not say at what price the gate valued them")
    if not entries:
        return not_shown("I6", "no entry was let through")
    return ok("I6", f"at worst none of {entries} entries passed a limit on an order, a position or all of them")


def _passed(row: Row, request: dict[str, Any], price: Fraction, exposure: Exposure) -> Iterator[str]:
    limits, symbol, mono = exposure.limits or {}, str(request["symbol"]), int(row.body.get("mono") or 0)
    quantity = number(request.get("quantity", "0"))
    longest, shortest = exposure.worst(symbol, mono)
    reach = abs(longest + quantity if request.get("side") == "BUY" else shortest - quantity)
    found = {
        "max_order_quantity": quantity,
        "max_order_notional": quantity * price,
        "max_position_notional": reach * price,
    }
    for name, value in found.items():
        if value > number(limits[name]):
            yield f"{row.body['order_id']} (row {row.seq}) is {float(value):.2f} at worst, {name} is {limits[name]}"
    gross = exposure.others(symbol, mono) + reach * price
    if gross > number(limits["max_gross_notional"]) * OFF:
        yield (
            f"with {row.body['order_id']} (row {row.seq}) the account is {float(gross):.2f} at worst, "
            f"max_gross_notional is {limits['max_gross_notional']}"
        )


def _ints(column: list[str]) -> list[int]:
    found: list[int] = np.frombuffer(b64decode(column[1]), dtype=column[0]).tolist()
    return found


def price_of(row: Row) -> Fraction:
    """Return the price that an INTENT was valued at; 0 where its row does not say."""
    request = row.body.get("request") or {}
    return number(request.get("price") or row.body.get("reference") or "0")
