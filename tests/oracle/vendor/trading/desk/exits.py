"""Exits that are wanted until their symbol is flat: sent, sent again when they end short, paused when refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.messages import Signal
from tradebot.domain.order import Order, OrderRequest, OrderState, Purpose
from tests.oracle.vendor.trading.desk.blotter import Blotter
from tests.oracle.vendor.trading.desk.conditions import Conditions
from tests.oracle.vendor.trading.desk.ordering import Ordering
from tests.oracle.vendor.trading.desk.protection import Protection

LONGEST_PAUSE = 32 * SECOND  # between two exits that the venue refuses
AT_ONCE = 32  # exits of one message where thousands are wanted: a few milliseconds, and more than a venue takes a tick


class Exits:
    """What must become flat and why. A wish stands until the position is gone, whatever becomes of its orders."""

    def __init__(
        self, *, universe: Universe, blotter: Blotter, conditions: Conditions, ordering: Ordering,
        protection: Protection,
    ) -> None:  # fmt: skip
        self._universe, self._blotter, self._conditions = universe, blotter, conditions
        self._ordering, self._protection = ordering, protection
        self.wanted: dict[str, tuple[Purpose, str]] = {}  # symbol -> why it must become flat
        # Wanted symbols but for those whose one live order is an exit, about which nothing was said since: a tick then
        # has nothing to do for them. In the order of the last try.
        self._open: dict[str, None] = {}
        self.holders: dict[str, str] = {}  # symbol -> the strategy whose entry opened what is held
        self._refused: dict[str, tuple[int, int]] = {}  # symbol -> (refusals in a row, mono before which none is sent)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self.wanted

    def want(
        self, symbol: str, purpose: Purpose, reason: str, *, quoted_at: int, signal: Signal | None = None
    ) -> None:  # fmt: skip
        """Close `symbol`, now and until it is flat; the first reason stands."""
        self._wish(symbol, purpose, reason)
        self._send(symbol, quoted_at, signal)

    def judge(self, id_: int, units: int, *, quoted_at: int) -> None:
        """Hold a price, in units, against the guard of an instrument; a level that it reached closes the position."""
        instrument = self._universe[id_]
        if not self._protection.mask[id_] or instrument.symbol in self.wanted:
            return
        hit = self._protection.judge(id_, instrument.symbol, instrument.price(units))
        if hit is not None:
            self.want(hit.symbol, hit.purpose, hit.reason, quoted_at=quoted_at)

    def close_all(self, reason: str, of: Callable[[str], bool] = lambda symbol: True) -> None:
        """Close every position of the universe, or those `of` which is true; others cannot be priced here. Of many some
        leave now."""
        positions = self._blotter.positions.values()
        symbols = [p.symbol for p in positions if not p.is_flat and p.symbol in self._universe and of(p.symbol)]
        for symbol in symbols:
            self._wish(symbol, Purpose.FLATTEN, reason)
        for symbol in self._turn(symbols):
            self._send(symbol, self._conditions.mono, None)

    def step(self, mono: int) -> None:
        """Send what is wanted and has no order working; of many some, and the others at the next ticks."""
        for symbol in self._turn(self.wanted):
            self._send(symbol, mono, None)

    def again(self, symbol: str) -> None:
        """Send the exit of a symbol, if one is wanted and none works."""
        if symbol in self.wanted:
            self._send(symbol, self._conditions.mono, None)

    def heard(self, symbol: str) -> None:
        """Look at a symbol again at the next tick: a fact of one of its orders came."""
        if symbol in self.wanted:
            self._open.setdefault(symbol)

    def ended(self, order: Order) -> None:
        """An exit ended: if its symbol is not flat the wish stands, also when the venue ended it or we restarted."""
        symbol = order.request.symbol
        if symbol not in self._blotter.open:
            return
        self._wish(symbol, order.request.purpose, order.request.reason)
        if order.state in (OrderState.REJECTED, OrderState.ABSENT):
            times = self._refused.get(symbol, (0, 0))[0]
            pause = min(SECOND << times, LONGEST_PAUSE)
            self._refused[symbol] = min(times + 1, 10), self._conditions.mono + pause

    def filled(self, request: OrderRequest) -> None:
        """A fill of an order was booked: guard what is open now, forget the wish when nothing is."""
        symbol = request.symbol
        if self._refused:
            self._refused.pop(symbol, None)
        id_ = self._universe.ids.get(symbol)
        if id_ is None:
            return
        if symbol not in self._blotter.open:
            self._protection.clear(id_)
            self._forget(symbol)
        elif not request.purpose.is_exit:
            if request.strategy:
                self.holders.setdefault(symbol, request.strategy)
            self._protection.set(id_, request)

    def gone(self, symbol: str) -> None:
        """Forget guard, strategy and wish of a symbol where nothing of ours is left."""
        if symbol not in self._blotter.open:
            if symbol in self._universe:
                self._protection.clear(self._universe.id(symbol))
            self._forget(symbol)

    def _wish(self, symbol: str, purpose: Purpose, reason: str) -> None:
        # An earlier run may have left an exit under way in a symbol that this one does not name.
        if symbol not in self.wanted and symbol in self._universe:
            self.wanted[symbol] = purpose, reason
            self._open[symbol] = None

    def _forget(self, symbol: str) -> None:
        self.holders.pop(symbol, None)
        self.wanted.pop(symbol, None)
        self._open.pop(symbol, None)

    def _turn(self, order: Iterable[str]) -> list[str]:
        if len(self._open) <= AT_ONCE:
            return [symbol for symbol in order if symbol in self._open] if self._open else []
        some = list(islice(self._open, AT_ONCE))
        for symbol in some:  # those that the gate holds back must not stand before the others for ever
            del self._open[symbol]
            self._open[symbol] = None
        return some

    def _send(self, symbol: str, quoted_at: int, signal: Signal | None) -> None:
        if symbol not in self._blotter.open:
            self.gone(symbol)
            return
        if self._conditions.orders_refused:
            return  # nothing can leave; what is wanted is tried when the session is back
        if self._refused and self._conditions.mono < self._refused.get(symbol, (0, 0))[1]:
            return
        purpose, reason = self.wanted[symbol]
        is_alone = self._ordering.exit(symbol, purpose=purpose, reason=reason, quoted_at=quoted_at, signal=signal)
        if is_alone or self._blotter.exposure.is_closing_alone(symbol):
            self._open.pop(symbol, None)
