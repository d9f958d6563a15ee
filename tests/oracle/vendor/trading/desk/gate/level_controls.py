"""The control of stops and targets: denies an entry whose stop or target would fire at once, or never."""

from __future__ import annotations

from decimal import Decimal

from tradebot.domain.order import ZERO, OrderRequest, Side
from tests.oracle.vendor.trading.desk.gate.gate import OrderContext, PlainControl

PERCENT = Decimal(100)


class ValidLevels(PlainControl):
    """Requires a stop to be a price on the losing side and not too far away, and a target to be on the winning side.

    They are judged at the reference price of the decision, not at the later price of the fill.
    """

    name = "protection"
    checks_exits = False

    def __init__(self, *, max_stop_pct: Decimal) -> None:
        self._max_stop_pct = max_stop_pct

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry whose stop, trailing stop or target cannot protect its position; return why, else None.

        A stop or trailing stop may be `max_stop_pct` percent of the reference price away.
        """
        if request.purpose.is_exit:
            return None
        return level_fault(request, context.reference, self._max_stop_pct)


def level_fault(request: OrderRequest, reference: Decimal | None, max_stop_pct: Decimal) -> str | None:
    """Return why the stop, trailing stop or target of an entry cannot protect what it opens at `reference`, else None.

    `max_stop_pct` is in percent of `reference`. An entry without any of the three gives None.
    """
    stop, trail, target = request.stop_loss, request.trail_by, request.target
    if stop is None and trail is None and target is None:
        return None
    if reference is None or not reference.is_finite() or reference <= 0:
        return "there is no reference price to judge its stop and target at"
    fault = None if stop is None else _bad_stop(stop, request.side, reference, max_stop_pct)
    if fault is None and trail is not None:
        fault = _bad_trail(trail, reference, max_stop_pct)
    if fault is None and target is not None:
        fault = _bad_target(target, request.side, reference)
    return fault


def _bad_stop(stop: Decimal, side: Side, reference: Decimal, max_stop_pct: Decimal) -> str | None:
    if not _is_price(stop):
        return f"the stop rounds to {stop}, which is no price; the reference is {reference}"
    away = (reference - stop) * side.sign
    if away <= 0:
        beyond = "below" if side.sign > 0 else "above"
        return f"the stop {stop} of a {side} is not {beyond} the reference {reference}"
    if away * PERCENT > max_stop_pct * reference:
        return _far(f"the stop {stop}", away, reference, max_stop_pct)
    return None


def _bad_trail(trail: Decimal, reference: Decimal, max_stop_pct: Decimal) -> str | None:
    if not _is_price(trail):
        return f"the distance of the trailing stop rounds to {trail}: it would fire at once"
    if trail * PERCENT > max_stop_pct * reference:
        return _far(f"the trailing stop, {trail} away,", trail, reference, max_stop_pct)
    return None


def _bad_target(target: Decimal, side: Side, reference: Decimal) -> str | None:
    if not _is_price(target):
        return f"the target rounds to {target}, which is no price; the reference is {reference}"
    if (target - reference) * side.sign <= 0:
        beyond = "above" if side.sign > 0 else "below"
        return f"the target {target} of a {side} is not {beyond} the reference {reference}"
    return None


def _is_price(level: Decimal) -> bool:
    return level.is_finite() and level > ZERO


def _far(what: str, away: Decimal, reference: Decimal, max_stop_pct: Decimal) -> str:
    share = away / reference * PERCENT
    return f"{what} is {share:.2f}% from the reference {reference}, above max_stop_pct {max_stop_pct}"
