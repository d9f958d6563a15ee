"""Faults of a stream: stands between the sender of one client and its socket, and breaks what passes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web

from tradebot.clock import SECOND, Clock
from tradebot.exchange.faults.dialect import Frame, StreamDialect
from tradebot.exchange.faults.fault_plan import FaultPlan, InjectedFault
from tradebot.exchange.faults.transport import reset_connection, stay_silent

KEPT_FRAMES = 50
BURST_FRAMES = 100
PING_COUNT = 1_000
HUGE_FRAME_BYTES = 20 << 20
# Opcodes of RFC 6455; the server does not mask.
TEXT, BINARY, CONTINUATION, FIN = 1, 2, 0, 0x80


class FaultyConnection:
    """The connection of one client, with its faults. `opening` is the fault that struck when it was opened."""

    def __init__(
        self,
        plan: FaultPlan,
        dialect: StreamDialect,
        clock: Clock,
        socket: web.WebSocketResponse,
        transport: asyncio.BaseTransport | None,
        opening: InjectedFault | None = None,
    ) -> None:
        self._plan, self._dialect, self._clock = plan, dialect, clock
        self._socket, self._transport = socket, transport
        self._sent: deque[Frame] = deque(maxlen=KEPT_FRAMES)
        self._held: list[tuple[int, Frame]] = []  # (due at monotonic ns, or 0: after the next of its kind; frame)
        self._lasting: dict[str, tuple[int, int]] = {}  # fault -> (monotonic ns of its end, instrument)
        self._frozen: dict[int, Any] = {}  # instrument number -> the quote it repeats
        self._opening = opening
        if opening is not None and opening.name == "deaf-connection":
            self._begin(opening)

    async def send_frame(self, frame: Frame) -> None:
        """Send one frame, or what the plan makes of it."""
        if self._opening is not None and self._opening.name == "accept-then-drop":
            await self._socket.close(code=1001)
            return
        now = self._clock.monotonic_ns()
        self._lasting = {name: (end, which) for name, (end, which) in self._lasting.items() if now < end}
        if "half-open" in self._lasting:
            return
        if (order := self._dialect.order_update(frame)) is not None:
            await self._order(frame, order)
        elif not self._dialect.is_quote_frame(frame):
            await self._write_frame(frame)
        elif self._lasting.keys().isdisjoint(("heartbeat-only", "deaf-connection")):
            await self._market(frame)
        for due, held in [h for h in self._held if 0 < h[0] <= now]:
            self._held.remove((due, held))
            await self._write_frame(held)

    async def _order(self, frame: Frame, order: Mapping[str, Any]) -> None:
        fault = self._plan.draw_fault("ticker.order", **order)
        # Frames held back to follow the next one of their kind, which is this one.
        waiting = [h for h in self._held if h[0] == 0 and not self._dialect.is_quote_frame(h[1])]
        match fault.name if fault else "":
            case "":
                await self._write_frame(frame)
            case "duplicate-order-frame":
                await self._write_frame(frame)
                await self._write_frame(frame)
            case "reorder-order-frames":
                self._held.append((0, frame))
                waiting = []
            case "drop-order-frame":
                pass
            case "late-order-frame" if fault is not None:
                self._held.append((self._clock.monotonic_ns() + int(fault.duration_s * SECOND) + 1, frame))
            case "cut-order-frame":
                await self._write_frame(frame[: len(frame) // 2])
            case "reset-at-order":
                reset_connection(self._transport)
        for item in waiting:
            self._held.remove(item)
            await self._write_frame(item[1])

    async def _market(self, frame: Frame) -> None:
        frame = self._apply_lasting(frame)
        fault = self._plan.draw_fault("ticker.frame")
        if fault is None:
            await self._pass(frame)
        elif fault.kind.duration_s:
            self._begin(fault, self._dialect.choose_instrument(frame, fault.draw))
            if fault.name in ("mute-instrument", "frozen-quote"):
                await self._pass(self._apply_lasting(frame))
        elif not await self._break_link(fault, frame):
            await self._pass(self._dialect.corrupted_frame(frame, fault.name, fault.draw, self._sent))

    async def _pass(self, frame: Frame) -> None:
        self._sent.append(frame)
        await self._write_frame(frame)
        for item in [h for h in self._held if h[0] == 0 and self._dialect.is_quote_frame(h[1])]:
            self._held.remove(item)
            await self._write_frame(item[1])

    def _begin(self, fault: InjectedFault, instrument: int = 0) -> None:
        self._lasting[fault.name] = (self._clock.monotonic_ns() + int(fault.duration_s * SECOND), instrument)
        self._frozen.clear()

    def _apply_lasting(self, frame: Frame) -> Frame:
        muted, frozen = (self._lasting.get(name, (0, 0))[1] for name in ("mute-instrument", "frozen-quote"))
        if frozen:
            frame = self._dialect.with_frozen_quote(frame, frozen, self._frozen)
        return self._dialect.without_instrument(frame, muted) if muted else frame

    async def _break_link(self, fault: InjectedFault, frame: Frame) -> bool:
        """Return whether the fault acts on the link itself; if so, it is committed."""
        match fault.name:
            case "close-1006":
                reset_connection(self._transport)
            case "close-1000" | "close-1001" | "close-1012" | "close-1013":
                await self._socket.close(code=int(fault.name[6:]))
            case "old-frame":
                await self._write_frame(self._sent[0] if self._sent else frame)
                await self._pass(frame)
            case "swapped-frames":
                self._held.append((0, frame))
            case "lost-frame":
                pass
            case "burst":
                for _ in range(BURST_FRAMES):
                    await self._write_frame(frame)
            case "huge-frame":
                await self._write_frame(bytes(HUGE_FRAME_BYTES))
            case "ping-flood":
                for _ in range(PING_COUNT):
                    await self._socket.ping(b"are you there")
                await self._pass(frame)
            case "spoken-words":
                for words in self._dialect.unsolicited_frames:
                    await self._write_frame(words)
                await self._pass(frame)
            case "bad-utf8":
                self._raw(TEXT | FIN, b"\xff\xfe\xfd")
            case "fragments":
                content, third = frame.encode() if isinstance(frame, str) else frame, len(frame) // 3
                self._raw(TEXT if isinstance(frame, str) else BINARY, content[:third])
                self._raw(CONTINUATION, content[third : 2 * third])
                self._raw(CONTINUATION | FIN, content[2 * third :])
            case _:
                return False
        return True

    def _raw(self, first: int, payload: bytes) -> None:
        n = len(payload)
        if n < 126:
            size = bytes([n])
        else:
            size = b"\x7e" + n.to_bytes(2, "big") if n < 2**16 else b"\x7f" + n.to_bytes(8, "big")
        if self._transport is not None and not self._transport.is_closing():
            cast(asyncio.WriteTransport, self._transport).write(bytes([first]) + size + payload)

    async def _write_frame(self, frame: Frame) -> None:
        if isinstance(frame, str):
            await self._socket.send_str(frame)
        else:
            await self._socket.send_bytes(frame)


class TickerFaults:
    """The faults of a stream: which fault strikes a client that connects, and the faulty connection it gets."""

    def __init__(self, plan: FaultPlan, dialect: StreamDialect, clock: Clock) -> None:
        self._plan, self._dialect, self._clock = plan, dialect, clock

    def draw_fault(self) -> InjectedFault | None:
        """Return the fault that strikes a client that requests a stream, None without one."""
        return self._plan.draw_fault("ticker.connect")

    async def refusal_response(self, fault: InjectedFault | None, request: web.Request) -> web.Response | None:
        """Return the answer to a client that gets no stream, None for a client that gets one."""
        match fault.name if fault else "":
            case "connect-503":
                return web.Response(status=503)
            case "connect-403":
                return web.Response(status=403, text="<html><h1>Forbidden</h1></html>", content_type="text/html")
            case "connect-429":
                return web.Response(status=429, headers={"Retry-After": "1"})
            case "connect-hang" if fault is not None:
                await stay_silent(request, self._clock, longest_s=fault.duration_s)
                return web.Response(status=503)
        return None

    def open_connection(
        self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport | None, fault: InjectedFault | None
    ) -> FaultyConnection:
        """Return the connection of a client that was accepted."""
        return FaultyConnection(self._plan, self._dialect, self._clock, socket, transport, fault)
