"""Faults of the ticker: stands between the sender of one client and its socket, and breaks what passes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import cast

import orjson
from aiohttp import web

from tradebot.clock import SECOND, Clock
from tradebot.exchange.faults import frames
from tradebot.exchange.faults.plan import Fault, FaultPlan
from tradebot.exchange.faults.transport import reset, stay_silent

Frame = str | bytes

KEPT_FRAMES = 50
BURST = 100
PINGS = 1_000
HUGE = 20 << 20
ORDER = '{"type":"order"'
WORDS = (
    '{"type":"error","data":"Internal error; the subscription may be incomplete."}',
    '{"type":"message","data":"RMS: intraday positions are squared off early today."}',
)
# Opcodes of RFC 6455; the server does not mask.
TEXT, BINARY, CONTINUATION, FIN = 1, 2, 0, 0x80


class StreamFaults:
    """The faults of one connection of the ticker. `opening` is the fault that struck when it was opened."""

    def __init__(
        self,
        plan: FaultPlan,
        clock: Clock,
        socket: web.WebSocketResponse,
        transport: asyncio.BaseTransport | None,
        opening: Fault | None = None,
    ) -> None:
        self._plan, self._clock, self._socket, self._transport = plan, clock, socket, transport
        self._sent: deque[bytes] = deque(maxlen=KEPT_FRAMES)
        self._held: list[tuple[int, Frame]] = []  # (monotonic ns when due; 0: behind the next of its sort, frame)
        self._lasting: dict[str, tuple[int, int]] = {}  # name -> monotonic ns of its end, token
        self._frozen: dict[int, bytes] = {}  # token -> the packet it repeats
        self._opening = opening
        if opening is not None and opening.name == "deaf-connection":
            self._begin(opening)

    async def send(self, frame: Frame) -> None:
        """Send one frame, or what the plan makes of it."""
        if self._opening is not None and self._opening.name == "accept-then-drop":
            await self._socket.close(code=1001)
            return
        now = self._clock.monotonic()
        self._lasting = {name: (end, token) for name, (end, token) in self._lasting.items() if now < end}
        if "half-open" in self._lasting:
            return
        if isinstance(frame, str):
            await (self._order(frame) if frame.startswith(ORDER) else self._out(frame))
        elif len(frame) < 2:
            await self._out(frame)
        elif self._lasting.keys().isdisjoint(("heartbeat-only", "deaf-connection")):
            await self._market(frame)
        for due, held in [h for h in self._held if 0 < h[0] <= now]:
            self._held.remove((due, held))
            await self._out(held)

    async def _order(self, frame: str) -> None:
        row = orjson.loads(frame)["data"]
        fault = self._plan.strike("ticker.order", tag=row["tag"], order_id=row["order_id"], status=row["status"])
        waiting = [h for h in self._held if h[0] == 0 and isinstance(h[1], str)]
        match fault.name if fault else "":
            case "":
                await self._out(frame)
            case "duplicate-order-frame":
                await self._out(frame)
                await self._out(frame)
            case "reorder-order-frames":
                self._held.append((0, frame))
                waiting = []
            case "drop-order-frame":
                pass
            case "late-order-frame" if fault is not None:
                self._held.append((self._clock.monotonic() + int(fault.lasts_s * SECOND) + 1, frame))
            case "cut-order-frame":
                await self._out(frame[: len(frame) // 2])
            case "reset-at-order":
                reset(self._transport)
        for item in waiting:
            self._held.remove(item)
            await self._out(item[1])

    async def _market(self, frame: bytes) -> None:
        frame = self._lasted(frame)
        fault = self._plan.strike("ticker.frame")
        if fault is None:
            await self._pass(frame)
        elif fault.kind.lasts_s:
            token = frames.token_of(self._chosen(fault, frames.split(frame)))
            self._begin(fault, token)
            if fault.name in ("mute-instrument", "frozen-quote"):
                await self._pass(self._lasted(frame))
        elif not await self._broken_link(fault, frame):
            await self._pass(self._broken(fault, frame))

    async def _pass(self, frame: bytes) -> None:
        self._sent.append(frame)
        await self._out(frame)
        for item in [h for h in self._held if h[0] == 0 and isinstance(h[1], bytes)]:
            self._held.remove(item)
            await self._out(item[1])

    def _begin(self, fault: Fault, token: int = 0) -> None:
        self._lasting[fault.name] = (self._clock.monotonic() + int(fault.lasts_s * SECOND), token)
        self._frozen.clear()

    def _lasted(self, frame: bytes) -> bytes:
        muted, frozen = (self._lasting.get(name, (0, 0))[1] for name in ("mute-instrument", "frozen-quote"))
        if not muted and not frozen:
            return frame
        packets = []
        for packet in frames.split(frame):
            token = frames.token_of(packet)
            if token == frozen:
                packet = frames.frozen(packet, self._frozen.setdefault(token, packet))
            if token != muted:
                packets.append(packet)
        return frames.join(packets)

    def _chosen(self, fault: Fault, packets: list[bytes]) -> bytes:
        return packets[int(fault.draw * len(packets))] if packets else bytes(4)

    def _broken(self, fault: Fault, frame: bytes) -> bytes:
        packets, name = frames.split(frame), fault.name
        if not packets:
            return frame
        at = int(fault.draw * len(packets))
        match name:
            case "zero-quote" | "negative-quote" | "tenfold-quote" | "hundredth-quote":
                packets[at] = frames.with_price(packets[at], name)
            case "crossed-quote":
                packets[at] = frames.with_crossed_depth(packets[at])
            case "wrong-token":
                others = sorted({frames.token_of(p) for sent in self._sent for p in frames.split(sent)})
                mine = frames.token_of(packets[at])
                packets[at] = frames.patched(packets[at], 0, next((t for t in others if t != mine), mine + 1))
            case "epoch-stamps" | "backward-stamps" | "future-stamps":
                packets = [frames.with_stamp(packet, name) for packet in packets]
            case "garbage-lengths":
                return frames.with_garbage_length(frame)
            case "cut-frame":
                return frame[: len(frame) - len(packets[-1]) // 2]
            case _:
                raise AssertionError(f"nobody commits {name}")
        return frames.join(packets)

    async def _broken_link(self, fault: Fault, frame: bytes) -> bool:
        """True when the fault is one of the link and is done."""
        match fault.name:
            case "close-1006":
                reset(self._transport)
            case "close-1000" | "close-1001" | "close-1012" | "close-1013":
                await self._socket.close(code=int(fault.name[6:]))
            case "old-frame":
                await self._out(self._sent[0] if self._sent else frame)
                await self._pass(frame)
            case "swapped-frames":
                self._held.append((0, frame))
            case "lost-frame":
                pass
            case "burst":
                for _ in range(BURST):
                    await self._out(frame)
            case "huge-frame":
                await self._out(bytes(HUGE))
            case "ping-flood":
                for _ in range(PINGS):
                    await self._socket.ping(b"are you there")
                await self._pass(frame)
            case "spoken-words":
                for words in WORDS:
                    await self._out(words)
                await self._pass(frame)
            case "bad-utf8":
                self._raw(TEXT | FIN, b"\xff\xfe\xfd")
            case "fragments":
                third = len(frame) // 3
                self._raw(BINARY, frame[:third])
                self._raw(CONTINUATION, frame[third : 2 * third])
                self._raw(CONTINUATION | FIN, frame[2 * third :])
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

    async def _out(self, frame: Frame) -> None:
        if isinstance(frame, str):
            await self._socket.send_str(frame)
        else:
            await self._socket.send_bytes(frame)


class TickerFaults:
    """The faults of a ticker: what strikes a client that comes, and the broken link it is given."""

    def __init__(self, plan: FaultPlan, clock: Clock) -> None:
        self._plan, self._clock = plan, clock

    def strike(self) -> Fault | None:
        """Return what strikes a client that asks for a stream."""
        return self._plan.strike("ticker.connect")

    async def refusal(self, fault: Fault | None, request: web.Request) -> web.Response | None:
        """Return the answer to a client that gets no stream; None for one that does."""
        match fault.name if fault else "":
            case "connect-503":
                return web.Response(status=503)
            case "connect-403":
                return web.Response(status=403, text="<html><h1>Forbidden</h1></html>", content_type="text/html")
            case "connect-429":
                return web.Response(status=429, headers={"Retry-After": "1"})
            case "connect-hang" if fault is not None:
                await stay_silent(request, self._clock, longest_s=fault.lasts_s)
                return web.Response(status=503)
        return None

    def link(
        self, socket: web.WebSocketResponse, transport: asyncio.BaseTransport | None, fault: Fault | None
    ) -> StreamFaults:
        """Return the link of a client that was let in."""
        return StreamFaults(self._plan, self._clock, socket, transport, fault)
