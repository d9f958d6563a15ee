"""Kite's side of fault injection: its routes, its refusals, and how its rows and frames are corrupted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import orjson

from tradebot.exchange.faults.dialect import Frame
from tradebot.venues.kite.server import corrupted_answers, frames
from tradebot.venues.kite.server.session import BAD_TOKEN
from tradebot.venues.kite.server.wire import KiteError, permission_error, render_error, token_error

ROUTES = {
    "POST /session/token": "session",
    "GET /user/profile": "profile",
    "GET /user/margins": "margins",
    "GET /user/margins/{segment}": "margins",
    "POST /orders/{variety}": "orders.create",
    "PUT /orders/{variety}/{order_id}": "orders.modify",
    "DELETE /orders/{variety}/{order_id}": "orders.cancel",
    "GET /orders": "orders.list",
    "GET /orders/{order_id}": "orders.history",
    "GET /orders/{order_id}/trades": "trades",
    "GET /trades": "trades",
    "POST /gtt/triggers": "gtt.create",
    "PUT /gtt/triggers/{trigger_id}": "gtt.modify",
    "DELETE /gtt/triggers/{trigger_id}": "gtt.cancel",
    "GET /gtt/triggers": "gtt.list",
    "GET /gtt/triggers/{trigger_id}": "gtt.list",
    "GET /portfolio/positions": "positions",
    "GET /portfolio/holdings": "holdings",
    "GET /instruments/historical/{token}/{interval}": "history",
    "GET /instruments": "instruments",
    "GET /instruments/{exchange}": "instruments",
    "GET /quote": "quotes",
    "GET /quote/ohlc": "quotes",
    "GET /quote/ltp": "quotes",
}
UNDOCUMENTED_REFUSAL = KiteError(
    400, "SurveillanceException", "RMS:Rule: entity block type 7 for account across exchange"
)
REFUSALS = {  # fault -> the error in Kite's own envelope
    "429": KiteError(429, "NetworkException", "Too many requests."),
    "unknown-refusal-text": UNDOCUMENTED_REFUSAL,
    "accept-then-unknown-text": UNDOCUMENTED_REFUSAL,
    "definite-reject": KiteError(
        400,
        "MarginException",
        "Insufficient funds. Required margin is 1.00 but available "
        "margin is 0.00. Check the orderbook for open orders.",
    ),
    "closed-market-reject": KiteError(400, "OrderException", "Markets are closed right now."),
    "refuse-then-fill": KiteError(400, "OrderException", "Markets are closed right now."),
    "address-refused": KiteError(403, "PermissionException", "IP address is not allowed to place orders."),
    "cancel-unknown": KiteError(400, "OrderException", "Couldn't find that `order_id`."),
    "no-right": permission_error(),
    "token-death": token_error(BAD_TOKEN),
    "token-replaced": token_error(BAD_TOKEN),
    "error-200": KiteError(200, "GeneralException", "Something unexpected happened."),
}
BODIES = {
    "wrong-type": b'{"status":"success","data":7}',
    "null-data": b'{"status":"success","data":null}',
    "wrong-order-id": b'{"status":"success","data":{"order_id":"990101000000001"}}',
    "wrong-order-id:gtt": b'{"status":"success","data":{"trigger_id":990101}}',
}
ORDER_PREFIX = '{"type":"order"'


class KiteRestDialect:
    """How faults name and refuse Kite's requests, and falsify their responses."""

    points: Mapping[str, str] = ROUTES
    refusals: Mapping[str, KiteError] = REFUSALS
    bodies: Mapping[str, bytes] = BODIES
    errors: tuple[type[Exception], ...] = (KiteError,)

    def placeholder_error(self, status: int, why: str) -> KiteError:
        return KiteError(status, "", why)

    def refusal_body(self, error: KiteError) -> bytes:
        return render_error(error)

    def falsify_data(self, name: str, point: str, data: Any, *, draw: float) -> Any:
        return corrupted_answers.corrupt_answer(name, point, data, draw)


class KiteStreamDialect:
    """How faults recognise and corrupt frames: order updates are text, quotes are binary, a heartbeat is one byte."""

    unsolicited_frames: Sequence[Frame] = (
        '{"type":"error","data":"Internal error; the subscription may be incomplete."}',
        '{"type":"message","data":"RMS: intraday positions are squared off early today."}',
    )

    def order_update(self, frame: Frame) -> Mapping[str, Any] | None:
        if not isinstance(frame, str) or not frame.startswith(ORDER_PREFIX):
            return None
        row = orjson.loads(frame)["data"]
        return {name: row[name] for name in ("tag", "order_id", "status")}

    def is_quote_frame(self, frame: Frame) -> bool:
        return isinstance(frame, bytes) and len(frame) > 1

    def choose_instrument(self, frame: Frame, draw: float) -> int:
        packets = _packets(frame)
        return frames.token_of(packets[int(draw * len(packets))]) if packets else 0

    def without_instrument(self, frame: Frame, instrument: int) -> Frame:
        return frames.join_packets([p for p in _packets(frame) if frames.token_of(p) != instrument])

    def with_frozen_quote(self, frame: Frame, instrument: int, first: dict[int, Any]) -> Frame:
        packets = [
            frames.with_stamps_of(p, first.setdefault(instrument, p)) if frames.token_of(p) == instrument else p
            for p in _packets(frame)
        ]
        return frames.join_packets(packets)

    def corrupted_frame(self, frame: Frame, name: str, draw: float, sent: Collection[Frame]) -> Frame:
        packets = _packets(frame)
        if not packets:
            return frame
        assert isinstance(frame, bytes), f"{frame!r} holds packets"
        at = int(draw * len(packets))
        match name:
            case "zero-quote" | "negative-quote" | "tenfold-quote" | "hundredth-quote":
                packets[at] = frames.with_price(packets[at], name)
            case "crossed-quote":
                packets[at] = frames.with_crossed_depth(packets[at])
            case "wrong-token":
                others = sorted({frames.token_of(p) for one in sent for p in _packets(one)})
                mine = frames.token_of(packets[at])
                packets[at] = frames.with_word(packets[at], 0, next((t for t in others if t != mine), mine + 1))
            case "epoch-stamps" | "backward-stamps" | "future-stamps":
                packets = [frames.with_stamp(packet, name) for packet in packets]
            case "garbage-lengths":
                return frames.with_garbage_length(frame)
            case "cut-frame":
                return frame[: len(frame) - len(packets[-1]) // 2]
            case _:
                raise AssertionError(f"nobody commits {name}")
        return frames.join_packets(packets)


def _packets(frame: Frame) -> list[bytes]:
    return frames.split_frame(frame) if isinstance(frame, bytes) else []
