"""A venue on a file: it does with each order what its symbol says, and its log outlives every kill of its client."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradebot.clock import SECOND, Clock
from tradebot.domain.order import (
    Fill,
    OrderKind,
    OrderRequest,
    Side,
    VenueHolding,
    VenueOrder,
    VenueOrderStatus,
    VenuePosition,
)
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import OutcomeUnknown
from tradebot.venues.venue import Accepted, NotSent, Refused, Reply, VenueRules

# symbol -> what becomes of its orders; each is a fault of the catalogue or the ordinary course.
SYMBOLS = {
    "FILLS": "filled at once",
    "RESTS": "rests in the book until it is cancelled",
    "PARTS": "half filled, then rests",
    "LOSTREPLY": "filled, the reply is lost",
    "LOSTREQ": "the request never arrives, the reply neither",
    "RESTLOST": "rests in the book, the reply is lost",
    "REFUSED": "refused for good",
    "NOTSENT": "no byte leaves",
    "EARLY": "the fill is told before the reply, twice",
    "LATER": "accepted, then rejected by the exchange",
    "EXCESS": "filled with one more than was asked",
    "AFTER": "cancelled on request, and filled after that",
    "HUSH": "cancelled on request, the reply is lost",
    "MEETS": "filled while the request to cancel is under way",
    "HANGS": "bought at once; its sale rests until its price is moved",
    "HANGLOST": "the same, and the reply to the change is lost",
    "HANGMEETS": "the same, and it fills while the change is under way",
    "HANGSTAYS": "the same, and the reply to the change is lost with the request",
    "STOPS": "filled at once; its stop rests until the price reaches it, and fills",
    "STOPLOST": "the same, and the reply to the stop is lost",
    "STOPHANGS": "the same, and a half of the triggered stop hangs as a limit order",
    "STOPHUSH": "the same, and the reply to the cancel of the stop is lost",
    "STOPAFTER": "the same, and the stop fills after it was cancelled",
    "STOPMEETS": "the same, and the stop fills while the cancel is under way",
    "STOPNO": "filled at once; its stop is refused",
    "STOPLATER": "filled at once; its stop is accepted, then rejected by the exchange",
    "TRAILS": "filled at once; its stop follows the price",
    "TRAILLOST": "the same, and the reply to the change of the stop is lost",
    "TRAILSTAYS": "the same, and the reply to the change of the stop is lost with the request",
}
STATUSES = {
    "OPEN": VenueOrderStatus.OPEN, "COMPLETE": VenueOrderStatus.FILLED, "CANCELLED": VenueOrderStatus.CANCELED,
    "REJECTED": VenueOrderStatus.REJECTED, "TRIGGER PENDING": VenueOrderStatus.PENDING_TRIGGER,
}  # fmt: skip
PRICE = Decimal(100)
WORKING = ("OPEN", "TRIGGER PENDING")


class ScriptedVenue:
    """`passes(name)` is called at each boundary, `push(order, execution)` is the venue's stream."""

    venue_rules = VenueRules(
        name="script", tag_length=20, orders_per_second=100, orders_per_minute=1000, orders_per_day=9000,
        modifications_per_order=20, needs_protection=False,
    )  # fmt: skip

    def __init__(
        self, path: Path, clock: Clock, *, passes: Callable[[str], None], sent: Callable[[str, str], None],
        push: Callable[[VenueOrder, Fill], None],
    ) -> None:  # fmt: skip
        self._clock, self._passes, self._sent, self._push = clock, passes, sent, push
        self._orders: dict[str, dict[str, Any]] = {}
        self._fills: list[dict[str, Any]] = []
        known = path.read_bytes().splitlines() if path.exists() else []
        for line in map(json.loads, known):
            if line["kind"] == "order":
                self._orders[line["order_id"]] = line
            elif line["kind"] == "fill":
                self._fills.append(line)
        self._log = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        if not known:
            self._write(kind="session", account="SIM", cash="100000", resumed=False)

    # ---- what a broker offers

    async def submit(self, request: OrderRequest) -> Reply:
        self._sent("create", request.order_id)
        self._passes("create leaves")
        what = request.symbol
        if what == "NOTSENT":
            return NotSent(reason="no route")
        if what == "LOSTREQ":
            raise OutcomeUnknown("no answer")
        params = {
            "tag": request.order_id, "exchange": request.exchange, "tradingsymbol": request.symbol,
            "product": request.product, "transaction_type": str(request.side), "quantity": str(request.quantity),
        }  # fmt: skip
        self._write(kind="request", at=self._clock.market_ns(), method="POST", path="/orders/regular", params=params)
        if request.trigger_price is not None:
            return self._rest(request)
        if what == "REFUSED":
            self._passes("reply")
            return Refused(reason="margin")
        order = self._book(request)
        self._passes("create arrived")
        is_bought = what.startswith("HANG") and request.side is Side.BUY
        if is_bought or what in ("FILLS", "LOSTREPLY", "EARLY", "EXCESS") or what.startswith(("STOP", "TRAIL")):
            self._fill(order, request.quantity + (what == "EXCESS"))
        elif what == "PARTS":
            self._fill(order, request.quantity // 2)
        elif what == "LATER":
            self._change(order, status="REJECTED")
        self._passes("reply")
        if what in ("LOSTREPLY", "RESTLOST"):
            raise OutcomeUnknown("no answer")
        if what == "EARLY":
            for _ in range(2):
                self._push(self._shown(self._orders[order["order_id"]]), self._execution(self._fills[-1]))
        return Accepted(venue_order_id=order["order_id"])

    def _rest(self, request: OrderRequest) -> Reply:
        what = request.symbol
        if what == "STOPNO":
            self._passes("reply")
            return Refused(reason="no stops today")
        order = self._book(request, status="TRIGGER PENDING")
        self._passes("stop arrived")
        if what == "STOPLATER":
            self._change(order, status="REJECTED")
        self._passes("reply")
        if what == "STOPLOST":
            raise OutcomeUnknown("no answer")
        return Accepted(venue_order_id=order["order_id"])

    def move(self, price: Decimal) -> None:
        """Let the market reach a price: the stops at it trigger."""
        for order in list(self._orders.values()):
            ticket = order["ticket"]
            if order["status"] == "TRIGGER PENDING" and price <= Decimal(ticket["trigger_price"]):
                quantity = Decimal(ticket["quantity"])
                self._passes("stop triggers")
                self._change(order, status="OPEN")
                self._fill(self._orders[order["order_id"]], quantity // 2 if "HANGS" in ticket["symbol"] else quantity)
                self._passes("stop fills")

    async def modify(self, request: OrderRequest, *, venue_order_id: str) -> Reply:
        self._sent("modify", request.order_id)
        self._passes("change leaves")
        what = request.symbol
        if what in ("HANGSTAYS", "TRAILSTAYS"):
            raise OutcomeUnknown("no answer")
        order = self._orders[venue_order_id]
        path = f"/orders/regular/{venue_order_id}"
        self._write(kind="request", at=self._clock.market_ns(), method="PUT", path=path, params={})
        if what == "HANGMEETS" and order["status"] == "OPEN":
            self._fill(order, Decimal(order["ticket"]["quantity"]))
            order = self._orders[venue_order_id]
        if order["status"] not in WORKING or (request.trigger_price is not None and order["status"] == "OPEN"):
            self._passes("change refused")
            return Refused(reason="the order has ended or triggered")
        changes = {"kind": str(request.kind), "quantity": str(request.quantity), "price": str(request.price)}
        if request.price is None:
            del changes["price"]
        if request.trigger_price is not None:
            changes["trigger_price"] = str(request.trigger_price)
        self._change(order, ticket=order["ticket"] | changes)
        self._passes("change arrived")
        if what.startswith("HANG"):
            self._fill(self._orders[venue_order_id], request.quantity)
        self._passes("change reply")
        if what in ("HANGLOST", "TRAILLOST"):
            raise OutcomeUnknown("no answer")
        return Accepted(venue_order_id=venue_order_id)

    async def cancel(self, *, order_id: str, venue_order_id: str) -> Reply:
        self._sent("cancel", order_id)
        self._passes("cancel leaves")
        order = self._orders[venue_order_id]
        path = f"/orders/regular/{venue_order_id}"
        self._write(kind="request", at=self._clock.market_ns(), method="DELETE", path=path, params={})
        what = order["ticket"]["symbol"]
        if (what == "MEETS" and order["status"] == "OPEN") or (what == "STOPMEETS" and order["status"] in WORKING):
            self._fill(order, Decimal(order["ticket"]["quantity"]))
            order = self._orders[venue_order_id]
        if order["status"] not in WORKING:
            self._passes("cancel refused")
            return Refused(reason="the order has ended")
        self._change(order, status="CANCELLED")
        self._passes("cancel reply")
        if what in ("HUSH", "STOPHUSH"):
            raise OutcomeUnknown("no answer")
        if what in ("AFTER", "STOPAFTER"):
            self._fill(self._orders[venue_order_id], Decimal(order["ticket"]["quantity"]), status="CANCELLED")
        return Accepted(venue_order_id=venue_order_id)

    async def fetch_account_id(self) -> str:
        return "AB1234"

    async def fetch_orders(self) -> VenueRows[VenueOrder]:
        self._passes("orders read")
        return VenueRows(self._shown(order) for order in self._orders.values())

    async def fetch_fills(self) -> VenueRows[Fill]:
        self._passes("executions read")
        return VenueRows(self._execution(fill) for fill in self._fills)

    async def fetch_positions(self) -> VenueRows[VenuePosition]:
        self._passes("positions read")
        totals: dict[str, Decimal] = {}
        for fill in self._fills:
            sign = Side(fill["side"]).sign
            totals[fill["symbol"]] = totals.get(fill["symbol"], Decimal(0)) + sign * Decimal(fill["quantity"])
        return VenueRows(
            VenuePosition(symbol=s, exchange="NSE", product="MIS", quantity=q, average_price=PRICE)
            for s, q in totals.items()
        )

    async def fetch_holdings(self) -> VenueRows[VenueHolding]:
        return VenueRows()

    async def fetch_cash(self) -> Decimal:
        self._passes("cash read")
        return Decimal(100000)

    # ---- the book

    def _book(self, request: OrderRequest, *, status: str = "OPEN") -> dict[str, Any]:
        order_id = f"V{len(self._orders) + 1}"
        ticket = {"symbol": request.symbol, "side": str(request.side), "kind": str(request.kind),
                  "quantity": str(request.quantity), "tag": request.order_id,
                  "exchange": request.exchange, "product": request.product}  # fmt: skip
        if request.trigger_price is not None:
            ticket["trigger_price"] = str(request.trigger_price)
        order = {"order_id": order_id, "ticket": ticket, "status": status, "filled": "0",
                 "placed_at": self._clock.market_ns(), "changed_at": self._clock.market_ns()}  # fmt: skip
        self._change(order)
        return order

    def _change(self, order: dict[str, Any], **changes: Any) -> None:
        version = self._version(order, **changes)
        self._write(**version)
        self._orders[version["order_id"]] = version

    def _version(self, order: dict[str, Any], **changes: Any) -> dict[str, Any]:
        return order | {"kind": "order", "changed_at": self._clock.market_ns()} | changes

    def _fill(self, order: dict[str, Any], quantity: Decimal, *, status: str = "") -> None:
        fill = {
            "kind": "fill", "trade_id": f"X{len(self._fills) + 1}", "order_id": order["order_id"], "exchange": "NSE",
            "product": "MIS",
            "symbol": order["ticket"]["symbol"], "side": order["ticket"]["side"], "quantity": str(quantity),
            "price": str(PRICE), "traded_at": self._clock.market_ns(), "charges": "0",
        }  # fmt: skip
        is_whole = quantity >= Decimal(order["ticket"]["quantity"])
        ends_as = status or ("COMPLETE" if is_whole else "OPEN")
        version = self._version(order, filled=str(quantity), status=ends_as)
        self._write_lines(fill, version)
        self._fills.append(fill)
        self._orders[version["order_id"]] = version

    def _write(self, **line: Any) -> None:
        self._write_lines(line)

    def _write_lines(self, *lines: dict[str, Any]) -> None:
        # In one write: the venue lives in the process that is killed, and knows a fill and its order, or neither.
        os.write(self._log, b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def _shown(self, order: dict[str, Any]) -> VenueOrder:
        ticket = order["ticket"]
        return VenueOrder(
            venue_order_id=order["order_id"],
            tag=ticket["tag"],
            symbol=ticket["symbol"],
            exchange="NSE",
            side=Side(ticket["side"]),
            kind=OrderKind(ticket["kind"]),
            status=STATUSES[order["status"]],
            quantity=Decimal(ticket["quantity"]),
            filled=Decimal(order["filled"]),
            price=Decimal(ticket["price"]) if "price" in ticket else None,
            trigger_price=Decimal(ticket["trigger_price"]) if "trigger_price" in ticket else None,
            changed_at=order["changed_at"] // SECOND * SECOND,
        )

    def _execution(self, fill: dict[str, Any]) -> Fill:
        return Fill(
            execution_id=fill["trade_id"],
            venue_order_id=fill["order_id"],
            symbol=fill["symbol"],
            exchange="NSE",
            side=Side(fill["side"]),
            quantity=Decimal(fill["quantity"]),
            price=Decimal(fill["price"]),
            traded_at=fill["traded_at"] // SECOND * SECOND,
        )
