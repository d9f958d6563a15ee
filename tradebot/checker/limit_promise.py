"""Promise I6: the worst-case exposure of every order that passed the gate, computed again, against the limits.

Orders and positions are the checker's own reconstruction. Prices come from the journal: an order's limit price or the
reference in its INTENT row; for the other symbols the last of these, of a fill's price or of a bar's close.
"""

from __future__ import annotations

from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from tradebot.checker.evidence import EvidenceRow
from tradebot.checker.order_history import CheckedOrder, to_fraction
from tradebot.checker.run_records import RunRecords
from tradebot.checker.verdict import PromiseVerdict, list_faults, verdict_broken, verdict_not_shown, verdict_ok
from tradebot.clock import SECOND

# State -> how long the unfilled rest of an order stays reserved after its end.
RESERVED_NS = {"CANCELED": 2 * SECOND, "EXPIRED": 2 * SECOND, "ABSENT": 600 * SECOND}
# The gate values the other symbols at their newest quotes, which are not in the journal. Valued at their last bars they
# break the gross limit only if they exceed it by more than prices move in a bar.
GROSS_TOLERANCE = Fraction(11, 10)
ZERO = Fraction(0)


class WorstCaseExposure:
    """The positions of the account, and their worst case if its orders fill, row by row."""

    def __init__(self) -> None:
        self.orders: dict[str, CheckedOrder] = {}
        self.limits: dict[str, Any] | None = None
        self._open: dict[str, set[str]] = defaultdict(set)  # symbol -> orders that are live or still reserved
        self._positions: dict[str, Fraction] = defaultdict(Fraction)
        self._prices: dict[str, Fraction] = {}
        self._ended_mono: dict[str, int] = {}  # order id -> monotonic ns of its end
        self._listed: dict[int, tuple[str, int]] = {}  # id in the universe -> (symbol, decimals of its prices)
        self._requested_quantity: dict[str, Fraction] = {}  # order id -> quantity requested by a pending change

    def apply_row(self, row: EvidenceRow) -> None:
        """Apply the next row of the journal."""
        match row.kind:
            case "terms" | "limits":  # of the start, and of a reload
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
                    self._update_order(self.orders[order_id], row)
                elif event in ("intent", "denied"):
                    self._open_order(order_id, row)

    def _reconciled(self, body: dict[str, Any]) -> None:
        for symbol, quantity, price in body.get("adopted") or ():
            self._positions[symbol], self._prices[symbol] = to_fraction(quantity), to_fraction(price)
        for part in body.get("released") or ():
            self._positions[part["key"]["symbol"]] -= to_fraction(part["quantity"])

    def _closed(self, body: dict[str, Any]) -> None:
        if not (exposed := self._exposed_symbols()):
            return
        columns = body.get("columns") or {}
        for id_, price in zip(_ints(columns["ids"]), _ints(columns["close"]), strict=True):
            symbol, decimals = self._listed.get(id_, ("", 0))
            if symbol in exposed:
                self._prices[symbol] = Fraction(price, 10**decimals)

    def _open_order(self, order_id: str, row: EvidenceRow) -> None:
        order = self.orders[order_id] = CheckedOrder(row)
        if order.is_external:  # our limits do not cover what others trade
            return
        if order.is_live:
            self._open[order.symbol].add(order_id)
        if price := valuation_price(row):
            self._prices[order.symbol] = price

    def _update_order(self, order: CheckedOrder, row: EvidenceRow) -> None:
        order_id, event = order.order_id, row.body.get("event")
        before, was_live = order.filled_quantity, order.is_live
        order.add_fact(row)
        if order.is_external:
            return
        if order.filled_quantity != before:
            sign = 1 if order.request.get("side") == "BUY" else -1
            self._positions[order.symbol] += sign * (order.filled_quantity - before)
            self._prices[order.symbol] = to_fraction(row.body["execution"]["price"])
        if event == "replace_sent":
            self._requested_quantity[order_id] = to_fraction((row.body.get("terms") or {}).get("quantity", "0"))
        elif event in ("replaced", "changed"):
            self._requested_quantity.pop(order_id, None)
        if order.is_live:
            self._open[order.symbol].add(order_id)
        elif was_live:
            self._end_order(order, row)

    def _end_order(self, order: CheckedOrder, row: EvidenceRow) -> None:
        self._ended_mono[order.order_id] = int(row.body.get("mono") or 0)
        is_proof = row.body.get("event") != "not_found" or bool(row.body.get("is_proof"))
        if order.state not in RESERVED_NS or (order.state == "ABSENT" and is_proof):
            self._open[order.symbol].discard(order.order_id)

    def worst_position(self, symbol: str, mono: int) -> tuple[Fraction, Fraction]:
        """Return (longest, shortest) position of a symbol: if all its buys filled, and if all its sells filled."""
        longest = shortest = self._positions.get(symbol, ZERO)
        for order_id in tuple(self._open.get(symbol, ())):
            order = self.orders[order_id]
            if not order.is_live and not 0 <= mono - self._ended_mono[order_id] < RESERVED_NS.get(order.state, 0):
                self._open[symbol].discard(order_id)
                continue
            # While a change is pending, the larger quantity counts.
            most = (
                max(order.quantity, self._requested_quantity.get(order_id, ZERO)) if order.is_live else order.quantity
            )
            rest = max(most - order.filled_quantity, ZERO)
            if order.request.get("side") == "BUY":
                longest += rest
            else:
                shortest -= rest
        return longest, shortest

    def others_notional(self, symbol: str, mono: int) -> Fraction:
        """Return the worst-case notional of all other symbols at their last known prices."""
        found = (
            max(map(abs, self.worst_position(s, mono))) * self._prices.get(s, ZERO)
            for s in self._exposed_symbols() - {symbol}
        )
        return sum(found, ZERO)

    def _exposed_symbols(self) -> set[str]:
        return {s for s, quantity in self._positions.items() if quantity} | {s for s, ids in self._open.items() if ids}


def limits_hold(records: RunRecords) -> PromiseVerdict:
    """I6: no entry passed the gate that in the worst case exceeds a limit on an order, a position or the account."""
    exposure, faults, entries, unvalued = WorstCaseExposure(), list[str](), 0, 0
    for row in records.journal.rows:
        if row.kind == "order" and row.body.get("event") == "intent" and exposure.limits is not None:
            request = row.body.get("request") or {}
            if request.get("purpose") == "entry" and str(row.body["order_id"]) not in exposure.orders:
                entries += 1
                price = valuation_price(row)
                unvalued += not price
                faults += _passed(row, request, price, exposure) if price else ()
        exposure.apply_row(row)
    if faults:
        return verdict_broken("I6", list_faults(faults))
    if exposure.limits is None:
        return verdict_not_shown("I6", "the journal does not hold the limits that the gate was given")
    if unvalued:
        return verdict_not_shown("I6", f"{unvalued} of {entries} entries do not say at what price the gate valued them")
    if not entries:
        return verdict_not_shown("I6", "no entry was let through")
    return verdict_ok("I6", f"at worst none of {entries} entries passed a limit on an order, a position or all of them")


def _passed(row: EvidenceRow, request: dict[str, Any], price: Fraction, exposure: WorstCaseExposure) -> Iterator[str]:
    limits, symbol, mono = exposure.limits or {}, str(request["symbol"]), int(row.body.get("mono") or 0)
    quantity = to_fraction(request.get("quantity", "0"))
    longest, shortest = exposure.worst_position(symbol, mono)
    reach = abs(longest + quantity if request.get("side") == "BUY" else shortest - quantity)
    found = {
        "max_order_quantity": quantity,
        "max_order_notional": quantity * price,
        "max_position_notional": reach * price,
    }
    for name, value in found.items():
        if value > to_fraction(limits[name]):
            yield f"{row.body['order_id']} (row {row.seq}) is {float(value):.2f} at worst, {name} is {limits[name]}"
    gross = exposure.others_notional(symbol, mono) + reach * price
    if gross > to_fraction(limits["max_gross_notional"]) * GROSS_TOLERANCE:
        yield (
            f"with {row.body['order_id']} (row {row.seq}) the account is {float(gross):.2f} at worst, "
            f"max_gross_notional is {limits['max_gross_notional']}"
        )


def _ints(column: list[str]) -> list[int]:
    found: list[int] = np.frombuffer(b64decode(column[1]), dtype=column[0]).tolist()
    return found


def valuation_price(row: EvidenceRow) -> Fraction:
    """Return the price at which the gate valued an INTENT; 0 where its row does not say."""
    request = row.body.get("request") or {}
    return to_fraction(request.get("price") or row.body.get("reference") or "0")
