"""The tiny venue's face of the simulated exchange: three routes, a JSON stream, and what a fault makes of both."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from tradebot.clock import SECOND
from tradebot.domain.order import OrderKind, Refusal, Side, Validity
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.faults.dialect import Frame
from tradebot.exchange.faults.rest_faults import RestFaults
from tradebot.exchange.faults.stream_faults import TickerFaults
from tradebot.exchange.protocol_server import ServerContext
from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode
from tradebot.exchange.request_log import log_request
from tradebot.exchange.snapshot import Snapshots
from tradebot.exchange.ticket import BookOrder, Ticket
from tradebot.markets.calendar import ist_date
from tradebot.venues.venue import Refused

HEARTBEAT_S = 2.0
Json = dict[str, Any]
# The code of a refusal, where it is not `order`.
CODES = {
    RefusalCode.NO_FUNDS: "funds", RefusalCode.CLOSED: "closed", RefusalCode.UNKNOWN_ORDER: "unknown",
    RefusalCode.BUSY: "busy",
}  # fmt: skip


class TinyNo(Exception):
    """An answer other than `ok`."""

    def __init__(self, status: int, code: str, why: str) -> None:
        super().__init__(why)
        self.status, self.code, self.why = status, code, why


class TinyRequests:
    """How requests are named, refused and lied to."""

    points: Mapping[str, str] = {
        "/orders/new": "orders.create", "/orders/change": "orders.modify", "/orders/cancel": "orders.cancel",
        "/books/account": "profile", "/books/orders": "orders.list", "/books/fills": "trades",
        "/books/positions": "positions", "/books/holdings": "holdings", "/books/cash": "margins",
        "/market/instruments": "instruments", "/market/quotes": "quotes", "/market/past": "history",
    }  # fmt: skip
    refusals: Mapping[str, TinyNo] = {
        "429": TinyNo(429, "slow", "too many"), "unknown-refusal-text": TinyNo(422, "nobody-knows", "what this is"),
        "accept-then-unknown-text": TinyNo(422, "nobody-knows", "what this is"),
        "definite-reject": TinyNo(422, "funds", "no funds"), "closed-market-reject": TinyNo(422, "closed", "closed"),
        "refuse-then-fill": TinyNo(422, "closed", "closed"), "address-refused": TinyNo(403, "address", "not from here"),
        "cancel-unknown": TinyNo(422, "unknown", "no such order"), "no-right": TinyNo(403, "right", "no right"),
        "token-death": TinyNo(401, "key", "the key is dead"), "error-200": TinyNo(200, "error", "something happened"),
    }  # fmt: skip
    bodies: Mapping[str, bytes] = {
        "wrong-type": b'{"ok":7}', "null-data": b'{"ok":null}', "wrong-order-id": b'{"ok":{"id":"99"}}'
    }  # fmt: skip
    errors: tuple[type[Exception], ...] = (TinyNo,)

    def placeholder_error(self, status: int, why: str) -> TinyNo:
        return TinyNo(status, "", why)

    def refusal_body(self, error: TinyNo) -> bytes:
        return orjson.dumps({"no": error.code, "why": error.why})

    def falsify_data(self, name: str, point: str, data: Any, *, draw: float) -> Any:
        match name:
            case "repeated-rows" | "duplicate-trades" | "duplicate-candles":
                return [row for row in data for _ in range(2)]
            case "reordered-rows" | "shuffled-list":
                return data[::-1]
            case "truncated-list":
                return data[: len(data) // 2]
            case "empty-orders" | "empty-trades" | "empty-positions" | "no-candles":
                return []
            case "lagging-trades":
                return data[:-1]
            case "zero-cash":
                return {"free": "0"}
            case "zero-rest-quotes":
                return [row | {"last": "0"} for row in data]
            case "missing-quotes":
                return data[::2]
            case "missing-candles":
                return [row for i, row in enumerate(data) if i % 3 != 2]
            case "odd-fields":
                return [row | {"new": None} for row in data]
        raise AssertionError(f"nobody tells {name}")


LACKS = frozenset({
    "foreign-rows", "huge-row", "other-words", "rounded-price", "broken-row", "text-numbers", "rewritten-order",
    "changed-trade", "twin-trade", "garbage-lengths", "token-replaced",
})  # fmt: skip


class TinyFrames:
    """How frames are told apart and spoiled; instruments are numbered by the length of the universe's list."""

    unsolicited_frames: Sequence[Frame] = ('{"say":"hello"}',)

    def __init__(self, symbols: Sequence[str]) -> None:
        self._symbols = symbols

    def order_update(self, frame: Frame) -> Mapping[str, Any] | None:
        if not isinstance(frame, str) or not frame.startswith('{"o"'):
            return None
        row = orjson.loads(frame)["o"]
        return {"tag": row["tag"], "order_id": row["id"], "status": row["state"]}

    def is_quote_frame(self, frame: Frame) -> bool:
        return isinstance(frame, str) and frame.startswith('{"q"')

    def choose_instrument(self, frame: Frame, draw: float) -> int:
        rows = orjson.loads(frame)["q"]
        return 1 + self._symbols.index(rows[int(draw * len(rows))]["symbol"])

    def without_instrument(self, frame: Frame, instrument: int) -> Frame:
        symbol = self._symbols[instrument - 1]
        return said({"q": [row for row in orjson.loads(frame)["q"] if row["symbol"] != symbol]})

    def with_frozen_quote(self, frame: Frame, instrument: int, first: dict[int, Any]) -> Frame:
        rows = orjson.loads(frame)["q"]
        for n, row in enumerate(rows):
            if row["symbol"] == self._symbols[instrument - 1]:
                rows[n] = first.setdefault(instrument, row) | {"at": row["at"]}
        return said({"q": rows})

    def corrupted_frame(self, frame: Frame, name: str, draw: float, sent: Collection[Frame]) -> Frame:
        rows = orjson.loads(frame)["q"]
        if not rows:
            return frame
        row = rows[int(draw * len(rows))]
        last = Decimal(row["last"])
        prices = {"zero-quote": Decimal(0), "negative-quote": -last, "tenfold-quote": last * 10,
                  "hundredth-quote": last / 100}  # fmt: skip
        hour = 3_600 * SECOND
        match name:
            case name if name in prices:
                row["last"] = str(prices[name])
            case "crossed-quote":
                row["bid"], row["ask"] = row["ask"], row["bid"]
            case "wrong-token":
                row["symbol"] = next((s for s in self._symbols if s != row["symbol"]), "NONE")
            case "epoch-stamps" | "backward-stamps" | "future-stamps":
                shift = {"backward-stamps": -hour, "future-stamps": hour}.get(name)
                rows = [one | {"at": 0 if shift is None else one["at"] + shift} for one in rows]
            case "cut-frame":
                return frame[: len(frame) - 20]
            case _:
                raise AssertionError(f"nobody commits {name}")
        return said({"q": rows})


def said(content: Json) -> str:
    return orjson.dumps(content).decode()


class Client:
    """What one client of the stream asked for and has to come; quotes merge to the newest, orders never."""

    def __init__(self) -> None:
        self.symbols: set[str] = set()
        self.orders: deque[str] = deque()
        self.quotes: dict[str, Json] = {}
        self.wake = asyncio.Event()

    def next_frame(self) -> str | None:
        if self.orders:
            return self.orders.popleft()
        rows, self.quotes = list(self.quotes.values()), {}
        return said({"q": rows}) if rows else None


class TinyFace:
    """See `tradebot/exchange/protocol_server.py`; it is its own login, of one key."""

    venue = "tiny"
    unsupported_faults = LACKS

    def __init__(self, backing: ServerContext) -> None:
        self._exchange, self._clock, self._key = backing.exchange, backing.clock, backing.keys.access_token
        self._log = backing.log or EventLog(None)
        self._clients: set[Client] = set()
        self._sockets: set[web.WebSocketResponse] = set()
        self.dead_until_mono = 0
        self._faults: RestFaults[TinyNo] | None = None
        self._stream_faults: TickerFaults | None = None
        if (plan := backing.faults) is not None:
            self._faults = RestFaults(
                plan, TinyRequests(), exchange=self._exchange, login=self, clock=self._clock
            )  # fmt: skip
            frames = TinyFrames(self._exchange.universe.symbols)
            self._stream_faults = TickerFaults(plan, frames, self._clock)

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/orders/{part}", self._handle)
        app.router.add_get("/books/{part}", self._handle)
        app.router.add_get("/market/{part}", self._handle)
        app.router.add_get("/stream", self._stream)
        app.on_shutdown.append(self._close)

    def client_entry(self, host: str, port: int) -> Mapping[str, str]:
        return {"rest": f"http://{host}:{port}", "stream": f"ws://{host}:{port}", "key": self._key}

    # ---- requests

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        route = request.path
        point = TinyRequests.points.get(route, "")
        body = orjson.loads(await request.read() or b"{}")
        order_id = request.query.get("id", "")
        fault, data, no, ticket = None, None, None, None
        answer: Callable[[], Any] = partial(self._answer, route, request.query, body)
        try:
            if not point:
                raise TinyNo(404, "route", "no such route")
            if route == "/orders/new":
                ticket = self._ticket(body)
                answer = partial(self._placed, ticket)
            if self._faults is not None:
                symbol = ticket.symbol if ticket else ""
                fault = self._faults.draw_fault(route, tag=body.get("tag", ""), symbol=symbol, order_id=order_id)
            if self._faults is not None and fault is not None and fault.prevents_request:
                no = self._faults.refusal_error(fault, answer)
            elif not self._is_known(request.headers.get("Key", "")):
                raise TinyNo(401, "key", "this key opens nothing")
            else:
                data = answer()
        except ExchangeRefusal as refusal:
            no = TinyNo(422, CODES.get(refusal.code, "order"), str(refusal))
        except TinyNo as error:
            no = error
        if point:
            named = data.get("id", "") if isinstance(data, dict) and route.startswith("/orders") else order_id
            log_request(
                self._log, point, at=self._clock.market_ns(), status=no.status if no else 200, ticket=ticket,
                order_id=named or order_id, error=no.code if no else "", message=no.why if no else "",
            )  # fmt: skip
        if self._faults is None:
            return respond(data, no)
        return await self._faults.send_reply(request, route, fault, data, no, respond=respond)

    def replace_token(self) -> None:
        raise AssertionError("its key is for good")

    def _is_known(self, key: str) -> bool:
        return key == self._key and self._clock.monotonic_ns() >= self.dead_until_mono

    def _ticket(self, body: Json) -> Ticket:
        try:
            return Ticket(
                exchange=body["exchange"], symbol=body["symbol"], side=Side(body["side"]), product=body["product"],
                tag=body["tag"], kind=OrderKind(body["kind"]), quantity=Decimal(body["quantity"]),
                price=amount(body, "price"), trigger_price=amount(body, "trigger"),
                protection_pct=amount(body, "protection"), validity=Validity(body["validity"]),
            )  # fmt: skip
        except (KeyError, ValueError, ArithmeticError) as error:
            raise TinyNo(422, "order", f"it lacks or spoils {error}") from error

    def _placed(self, ticket: Ticket) -> Json:
        return {"id": self._exchange.place_order(ticket).order_id}

    def _answer(self, route: str, query: Mapping[str, str], body: Json) -> Any:
        exchange, today = self._exchange, self._exchange.account.session_day
        match route:
            case "/orders/change":
                changes = {"price": amount(body, "price"), "trigger_price": amount(body, "trigger"),
                           "quantity": amount(body, "quantity"), "kind": OrderKind(body["kind"])}  # fmt: skip
                return {"id": exchange.modify_order(query["id"], **changes).order_id}
            case "/orders/cancel":
                return {"id": exchange.cancel_order(query["id"]).order_id}
            case "/books/account":
                return {"id": exchange.account.account_id}
            case "/books/orders":
                return [order_row(order) for order in exchange.latest_orders() if ist_date(order.placed_at) >= today]
            case "/books/fills":
                return [
                    {"id": t.trade_id, "order": t.order_id, "symbol": t.symbol, "exchange": t.exchange, "side": t.side,
                     "quantity": str(t.quantity), "price": str(t.price), "at": t.traded_at, "product": t.product}
                    for t in exchange.trade_rows() if ist_date(t.traded_at) >= today
                ]  # fmt: skip
            case "/books/positions":
                return [
                    {"symbol": p.symbol, "exchange": p.exchange, "product": p.product, "quantity": str(p.quantity),
                     "average": str(p.average_price)}
                    for p in exchange.account.net_positions()
                ]  # fmt: skip
            case "/books/holdings":
                return [
                    {"symbol": h.symbol, "exchange": h.exchange, "quantity": str(h.owned_quantity),
                     "average": str(h.average_price)}
                    for h in exchange.account.demat_holdings()
                ]  # fmt: skip
            case "/books/cash":
                return {"free": str(exchange.account.available_funds)}
        return self._market(route, query)

    def _market(self, route: str, query: Mapping[str, str]) -> Any:
        universe = self._exchange.universe
        if route == "/market/instruments":
            return [
                {"symbol": i.symbol, "exchange": i.exchange, "token": i.token, "kind": i.kind, "tick": str(i.tick_size),
                 "lot": str(i.lot_size), "has_derivatives": i.has_derivatives}
                for i in universe
            ]  # fmt: skip
        if route == "/market/quotes":
            ids = [universe.id_of(symbol) for symbol in query["symbols"].split(",") if symbol in universe]
            return [self._quote(self._exchange.latest_columns, id_, id_) for id_ in ids]
        start, end, interval = (int(query[name]) for name in ("start", "end", "interval"))
        instrument = universe.instrument_of(query["symbol"])
        past = self._exchange.source.bar_series(
            universe.id_of(query["symbol"]), interval_ns=interval, start_at=start, end_at=end
        )
        prices = zip(past.starts, past.open, past.high, past.low, past.close, past.volume, strict=True)
        return [[int(at), *(str(instrument.price_from_units(int(p))) for p in row), int(v)] for at, *row, v in prices]

    # ---- the stream

    def publish_snapshots(self, snapshots: Snapshots) -> None:
        columns = {name: getattr(snapshots, name) for name in SHOWN}
        for row, id_ in enumerate(snapshots.ids.tolist()):
            shown = self._quote(columns, row, id_)
            for client in self._clients:
                if shown["symbol"] in client.symbols:
                    client.quotes[shown["symbol"]] = shown
                    client.wake.set()

    def publish_order(self, order: BookOrder) -> None:
        for client in self._clients:
            client.orders.append(said({"o": order_row(order)}))
            client.wake.set()

    def _quote(self, columns: Mapping[str, Any], row: int, id_: int) -> Json:
        instrument = self._exchange.universe[id_]
        price = lambda units: str(instrument.price_from_units(int(units)))  # noqa: E731
        return {
            "symbol": instrument.symbol, "at": int(columns["stamps"][row]), "last": price(columns["last"][row]),
            "volume": int(columns["volume"][row]), "bid": price(columns["bids"][row][0]),
            "ask": price(columns["asks"][row][0]), "bids": int(columns["bid_quantities"][row][0]),
            "asks": int(columns["ask_quantities"][row][0]),
        }  # fmt: skip

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if not self._is_known(request.query.get("key", "")):
            return respond(None, TinyNo(401, "key", "this key opens nothing"))
        fault = None
        if self._stream_faults is not None:
            fault = self._stream_faults.draw_fault()
            if (refusal := await self._stream_faults.refusal_response(fault, request)) is not None:
                return refusal
        socket = web.WebSocketResponse(compress=False, timeout=2.0)
        await socket.prepare(request)
        client = Client()
        send: Callable[[str], Any] = socket.send_str
        if self._stream_faults is not None:
            send = self._stream_faults.open_connection(socket, request.transport, fault).send_frame
        if fault is not None and fault.name == "replay-orders":
            client.orders.extend(said({"o": order_row(order)}) for order in self._exchange.latest_orders()[-10:])
        self._clients.add(client)
        self._sockets.add(socket)
        try:
            async with asyncio.TaskGroup() as tasks:
                sender = tasks.create_task(self._send(client, send), name="tiny sender")
                async for message in socket:
                    if message.type is WSMsgType.TEXT:
                        self._subscribe(client, orjson.loads(message.data)["sub"])
                sender.cancel()
        finally:
            self._clients.discard(client)
            self._sockets.discard(socket)
        return socket

    def _subscribe(self, client: Client, symbols: list[str]) -> None:
        universe = self._exchange.universe
        for symbol in symbols:
            if symbol in universe:
                client.symbols.add(symbol)
                client.quotes[symbol] = self._quote(
                    self._exchange.latest_columns, universe.id_of(symbol), universe.id_of(symbol)
                )
        client.wake.set()

    async def _send(self, client: Client, send: Callable[[str], Any]) -> None:
        try:
            while self._clock.monotonic_ns() >= self.dead_until_mono:
                frame = client.next_frame()
                if frame is None:
                    client.wake.clear()
                    try:
                        async with asyncio.timeout(HEARTBEAT_S):
                            await client.wake.wait()
                        continue
                    except TimeoutError:
                        frame = '{"hb":1}'
                await send(frame)
        except ConnectionResetError:
            return  # its reader ends by itself

    async def _close(self, *_: Any) -> None:
        for socket in list(self._sockets):
            await socket.close()


SHOWN = ("stamps", "last", "volume", "bids", "bid_quantities", "asks", "ask_quantities")


def amount(body: Mapping[str, Any], name: str) -> Decimal | None:
    return Decimal(body[name]) if name in body else None


def order_row(order: BookOrder) -> Json:
    ticket = order.ticket
    return {
        "id": order.order_id, "tag": ticket.tag, "symbol": ticket.symbol, "exchange": ticket.exchange,
        "side": ticket.side, "kind": ticket.kind, "state": order.status, "quantity": str(ticket.quantity),
        "filled": str(order.filled), "price": str(ticket.price or 0), "trigger": str(ticket.trigger_price or 0),
        "average": str(order.average_price), "product": ticket.product, "why": order.reason,
        "at": order.changed_at, "no_funds": "funds" in order.reason.lower(),
    }  # fmt: skip


def respond(data: Any, no: TinyNo | None) -> web.Response:
    if no is not None:
        return web.Response(body=TinyRequests().refusal_body(no), status=no.status, content_type="application/json")
    return web.Response(body=orjson.dumps({"ok": data}), content_type="application/json")


def refusal_reply(refusal: ExchangeRefusal) -> Refused:
    """Return what the client makes of a refusal by the exchange."""
    code = CODES.get(refusal.code, "order")
    return Refused(reason=str(refusal), code=code, refusal=Refusal.FUNDS if code == "funds" else Refusal.ORDER)
