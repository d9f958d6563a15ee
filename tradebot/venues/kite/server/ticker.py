"""Kite's ticker server: one websocket per client, with binary packets for its subscriptions, text frames for orders."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import numpy as np
import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from tradebot.domain.market import Ints
from tradebot.exchange.event_log import EventLog
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.faults.fault_plan import InjectedFault
from tradebot.exchange.faults.stream_faults import TickerFaults
from tradebot.exchange.snapshot import Snapshots
from tradebot.exchange.ticket import BookOrder
from tradebot.venues.kite.rules import TICKER_CONNECTIONS, TOKENS_PER_CONNECTION
from tradebot.venues.kite.server.packets import HEARTBEAT, MODES, Column, Modes, PacketRenderer, StreamMode
from tradebot.venues.kite.server.records import Json, order_update
from tradebot.venues.kite.server.session import LoginSessions
from tradebot.venues.kite.server.wire import KiteError, render_error

HEARTBEAT_S = 2.0
CLOSE_TIMEOUT_S = 2.0
MAX_CONNECTIONS = TICKER_CONNECTIONS
MAX_SUBSCRIPTIONS = TOKENS_PER_CONNECTION
# A client that falls further behind gets only the newest packet of each instrument. 128 frames are two wall seconds of
# a market at sixty times the speed; 2 MB are nearly four seconds of 3,000 full packets at normal speed.
MAX_FRAMES = 128
MAX_FRAME_BYTES = 2_000_000
MAX_ORDER_FRAMES = 1_000
MAX_CONTROL_BYTES = 1 << 17
REPLAYED_ORDERS = 10
# The ticker says no more than this to a dead token and to a plan without market data; a client cannot tell them apart.
NOT_AUTHENTICATED = b'{"status":"error","message":"Authentication failed."}'

Send = Callable[[str | bytes], Awaitable[None]]


class TickerClient:
    """The subscriptions and the send queue of one client; synchronous, so that a slow client cannot delay matching.

    Order frames are never dropped and are sent first. `is_overrun` is True if too many of them wait; the connection
    must then be cut.
    """

    def __init__(self, packets: PacketRenderer, state: dict[str, Ints]) -> None:
        self._packets = packets
        self._state = state
        self._rows = {int(token): row for row, token in enumerate(packets.tokens)}
        self._modes = np.zeros(len(packets.tokens), dtype=np.int8)
        self._unlisted: set[int] = set()  # subscribed tokens without an instrument: they count but get no packets
        self._texts: deque[str] = deque()
        self._frames: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._stale = np.zeros(len(packets.tokens), dtype=bool)  # rows to send from the state once the queue is empty
        self._is_behind = False  # then new rows are only marked in `_stale`, until the queue is empty
        self._queued = np.zeros(len(StreamMode), dtype=np.int64)  # mode -> rows ever queued
        self._merged = 0
        self.wake = asyncio.Event()

    @property
    def subscription_count(self) -> int:
        """Return the number of subscribed tokens, including those without an instrument."""
        return int(np.count_nonzero(self._modes)) + len(self._unlisted)

    @property
    def is_overrun(self) -> bool:
        """Return True if more than MAX_ORDER_FRAMES text frames wait."""
        return len(self._texts) > MAX_ORDER_FRAMES

    def row_counts(self) -> dict[str, Any]:
        """Return the counts of `rows` ever queued by mode, of those still `unsent`, and of `merged` rows.

        A merged row was never queued because a newer one of its instrument replaced it.
        """
        rows = {name: int(self._queued[mode]) for name, mode in MODES.items()}
        unsent = sum(int.from_bytes(frame[:2], "big") for frame in self._frames)
        return {"rows": rows, "unsent": unsent, "merged": self._merged}

    def apply_control_frame(self, text: str) -> None:
        """Apply a control frame, such as `{"a":"mode","v":["full",[408065]]}`; answer a bad one with an error frame."""
        try:
            frame = orjson.loads(text)
            action, value = frame["a"], frame["v"]
            mode, tokens = value if action == "mode" else ("quote", value)
            chosen = MODES[mode]
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            tokens = chosen = None
        if chosen is None or not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
            self.queue_message({"type": "error", "data": "Invalid control frame."})
            return
        if action == "subscribe":
            self._subscribe(tokens)
        elif action == "unsubscribe":
            self._modes[self._known(tokens)] = StreamMode.NONE
            self._unlisted.difference_update(tokens)
        elif action == "mode":
            rows = self._known(tokens)
            rows = rows[self._modes[rows] != StreamMode.NONE]
            self._modes[rows] = chosen
            self._send_state(rows)
        else:
            self.queue_message({"type": "error", "data": f"Unknown action `{action}`."})

    def queue_snapshots(self, snapshots: Snapshots) -> None:
        """Queue packets of the subscribed rows of `snapshots`."""
        modes = self._modes[snapshots.ids]
        if not modes.any():
            return
        if self._is_behind or len(self._frames) >= MAX_FRAMES or self._waiting_bytes >= MAX_FRAME_BYTES:
            self._is_behind = True
            late = snapshots.ids[modes != StreamMode.NONE]
            self._merged += int(np.count_nonzero(self._stale[late]))
            self._stale[late] = True
            return
        rows = np.flatnonzero(modes)
        self._queue(partial(getattr, snapshots), rows=rows, ids=snapshots.ids[rows], modes=modes[rows])

    def queue_message(self, message: Json) -> None:
        """Queue a message as a text frame."""
        self.queue_text(orjson.dumps(message).decode())

    def queue_text(self, text: str) -> None:
        """Queue a rendered text frame."""
        self._texts.append(text)
        self.wake.set()

    def next_frame(self) -> str | bytes | None:
        """Return the next frame to send, or None if none waits."""
        if self._texts:
            return self._texts.popleft()
        if not self._frames and self._is_behind:
            self._is_behind = False
            rows = np.flatnonzero(self._stale)
            self._stale[:] = False
            self._send_state(rows)
        if self._frames:
            frame = self._frames.popleft()
            self._waiting_bytes -= len(frame)
            return frame
        return None

    def _subscribe(self, tokens: list[int]) -> None:
        rows = self._known(tokens)
        fresh = rows[self._modes[rows] == StreamMode.NONE]
        unlisted = set(tokens) - self._rows.keys() - self._unlisted
        if self.subscription_count + len(fresh) + len(unlisted) > MAX_SUBSCRIPTIONS:
            self.queue_message({"type": "error", "data": f"At most {MAX_SUBSCRIPTIONS} instruments per connection."})
            return
        self._unlisted |= unlisted
        self._modes[fresh] = StreamMode.QUOTE
        self._send_state(rows)

    def _known(self, tokens: list[int]) -> Ints:
        rows = dict.fromkeys(self._rows[token] for token in tokens if token in self._rows)
        return np.array(list(rows), dtype=np.int64)

    def _send_state(self, rows: Ints) -> None:
        if self._is_behind:
            self._stale[rows] = True
            return
        self._queue(self._state.__getitem__, rows=rows, ids=rows, modes=self._modes[rows])

    def _queue(self, column: Column, *, rows: Ints, ids: Ints, modes: Modes) -> None:
        frames = self._packets.render_frames(column, rows=rows, ids=ids, modes=modes)
        if frames:
            self._queued += np.bincount(modes, minlength=len(StreamMode))
            self._frames.extend(frames)
            self._waiting_bytes += sum(map(len, frames))
            self.wake.set()


class KiteTicker:
    """All clients of the ticker; the exchange calls `queue_snapshots` and `queue_order` through the server."""

    def __init__(
        self,
        exchange: Exchange,
        sessions: LoginSessions,
        record: Callable[[BookOrder], Json],
        log: EventLog | None = None,
        faults: TickerFaults | None = None,
        *,
        has_market_data: bool = True,
    ) -> None:
        self._has_market_data = has_market_data
        self._exchange, self._log = exchange, log or EventLog(None)
        self._sessions = sessions
        self._record, self._faults = record, faults
        self._packets = PacketRenderer(exchange.universe)
        self._links: dict[TickerClient, tuple[web.WebSocketResponse, asyncio.Transport | None]] = {}

    def queue_snapshots(self, snapshots: Snapshots) -> None:
        """Queue quote packets for every client."""
        for connection in self._links:
            connection.queue_snapshots(snapshots)

    def queue_order(self, order: BookOrder) -> None:
        """Queue the new version of an order for every client; cut off a client whose queue is overrun."""
        if not self._links:
            return
        text = self._order_text(order)
        for connection, (_, transport) in self._links.items():
            connection.queue_text(text)
            if connection.is_overrun and transport is not None:
                transport.abort()

    async def serve_client(self, request: web.Request) -> web.StreamResponse:
        """Serve one client: upgrade `GET /?api_key=..&access_token=..` to a websocket, or refuse (400, 403, 429)."""
        api_key, token = request.query.get("api_key", ""), request.query.get("access_token", "")
        if not self._has_market_data or not self._sessions.is_session_valid(api_key, token):
            return web.Response(body=NOT_AUTHENTICATED, status=403, content_type="application/json")
        if len(self._links) >= MAX_CONNECTIONS:
            return _refuse(KiteError(429, "NetworkException", "Too many connections."))
        socket = web.WebSocketResponse(compress=False, max_msg_size=MAX_CONTROL_BYTES, timeout=CLOSE_TIMEOUT_S)
        if not socket.can_prepare(request):
            return _refuse(KiteError(400, "InputException", "This is a websocket."))
        fault = None
        if self._faults is not None:
            fault = self._faults.draw_fault()
            if (refusal := await self._faults.refusal_response(fault, request)) is not None:
                return refusal
        connection = TickerClient(self._packets, self._exchange.latest_columns)
        self._links[connection] = (socket, request.transport)  # before the first await, so that races respect the limit
        try:
            await socket.prepare(request)
            send = self._sending(socket, request, connection, fault)
            async with asyncio.TaskGroup() as tasks:
                is_alive = partial(self._sessions.is_session_valid, api_key, token)
                sender = tasks.create_task(_send(socket, connection, is_alive, send), name="kite ticker sender")
                async for message in socket:
                    if message.type is WSMsgType.TEXT:
                        connection.apply_control_frame(message.data)
                sender.cancel()
        finally:
            del self._links[connection]
            self._log.append_line("ticker", subscriptions=connection.subscription_count, **connection.row_counts())
        return socket

    def _order_text(self, order: BookOrder) -> str:
        data = order_update(self._record(order), filled=order.filled)
        return orjson.dumps({"type": "order", "id": "", "data": data}).decode()

    def _sending(
        self, socket: web.WebSocketResponse, request: web.Request, connection: TickerClient, fault: InjectedFault | None
    ) -> Send:
        if self._faults is None:
            return partial(_send_plain, socket)
        if fault is not None and fault.name == "replay-orders":
            for order in self._exchange.latest_orders()[-REPLAYED_ORDERS:]:
                connection.queue_text(self._order_text(order))
        return self._faults.open_connection(socket, request.transport, fault).send_frame

    async def close_clients(self, *_: Any) -> None:
        """Close the connection of every client."""
        async with asyncio.TaskGroup() as tasks:
            for socket, _transport in self._links.values():
                farewell = socket.close(code=WSCloseCode.GOING_AWAY, message=b"the exchange closes")
                tasks.create_task(farewell, name="kite ticker farewell")


async def _send(
    socket: web.WebSocketResponse, connection: TickerClient, is_alive: Callable[[], bool], send: Send
) -> None:
    try:
        while is_alive():
            frame = connection.next_frame()
            if frame is None:
                connection.wake.clear()
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        await connection.wake.wait()
                    continue
                except TimeoutError:
                    frame = HEARTBEAT
            await send(frame)
        await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"the session ended")
    except ConnectionResetError:
        return  # the client has disconnected; its reader ends by itself


async def _send_plain(socket: web.WebSocketResponse, frame: str | bytes) -> None:
    if isinstance(frame, str):
        await socket.send_str(frame)
    else:
        await socket.send_bytes(frame)


def _refuse(error: KiteError) -> web.Response:
    return web.Response(body=render_error(error), status=error.status, content_type="application/json")
