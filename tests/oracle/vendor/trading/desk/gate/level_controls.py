"""The control over what guards a position: an entry whose stop or target would fire at once, or never, is not sent."""

from __future__ import annotations

from decimal import Decimal

from tradebot.domain.order import ZERO, OrderRequest, Side
from tests.oracle.vendor.trading.desk.gate.gate import PlainControl, View

PERCENT = Decimal(100)


class Protected(PlainControl):
    """A stop that is a price, on the side that loses and not too far away; a target on the side that wins.

    They are judged at the reference price of the decision. What the fill makes of them is the market's doing.
    """

    name = "protection"
    of_exits = False

    def __init__(self, *, max_stop_pct: Decimal) -> None:
        self._max_stop_pct = max_stop_pct

    def check(self, request: OrderRequest, view: View) -> str | None:
        if request.purpose.is_exit:
            return None
        return misplaced(request, view.reference, self._max_stop_pct)


def misplaced(request: OrderRequest, reference: Decimal | None, max_stop_pct: Decimal) -> str | None:
    """Return why an entry's stop, trailing stop or target cannot guard what it opens at `reference`; None if they can.

    An entry that asks for none of them has nothing to be judged.
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
