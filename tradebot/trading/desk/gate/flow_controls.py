"""Controls over the moment: halt, session, stale data, message rate, duplicates."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.order import OrderRequest
from tradebot.trading.desk.gate.gate import OrderContext, PlainControl

MAX_UNSORTED = 64  # orders not sorted in yet: most days ask for none of them


class NotHalted(PlainControl):
    """A halt lets exits pass and nothing else."""

    name = "halt"
    checks_exits = False

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        return f"halted: {context.halt_reason}" if context.halt_reason and not request.purpose.is_exit else None


class NotKilled(PlainControl):
    """While the HALT file is there nothing leaves, not even an exit; `kill_reason` tells its reason, empty without it."""

    name = "kill"

    def __init__(self, kill_reason: Callable[[], str]) -> None:
        self.kill_reason = kill_reason

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        return self.kill_reason() or None


class InSession(PlainControl):
    """No entry outside the session or after the time from which positions are squared off."""

    name = "session"
    checks_exits = False

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        return context.entries_closed if context.entries_closed and not request.purpose.is_exit else None


class FreshData(PlainControl):
    """An entry needs a fresh quote and a live feed; an exit may use a reference up to 60 s old."""

    name = "fresh_data"
    EXIT_AGE_S = 60.0

    def __init__(self, *, max_age_s: float) -> None:
        self._max_age_s = max_age_s

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        if context.quote_age_s is None:
            return "no quote has come yet"
        if request.purpose.is_exit:
            limit = max(self.EXIT_AGE_S, self._max_age_s)
        elif context.feed_is_stale:
            return "the feed is stale"
        elif context.quote_trouble:
            return context.quote_trouble
        else:
            limit = self._max_age_s
        return (
            None
            if context.quote_age_s <= limit
            else f"the quote is {context.quote_age_s:.1f} s old, above {limit:.1f} s"
        )


class MessageRate(PlainControl):
    """Orders per second, minute and market day; a quarter of each is kept for exits.

    So the gate lets through no more entries than the venue's own limiter, where they would wait in front of exits.
    `pace` is how many market seconds pass in one of ours: where they differ the market's are counted.
    """

    name = "message_rate"

    def __init__(self, *, per_second: int, per_minute: int, per_day: int, pace: float = 1.0) -> None:
        spans = ((int(SECOND / pace), per_second, "in a second"), (int(MINUTE / pace), per_minute, "in a minute"))
        self._sent: deque[int] = deque(maxlen=max(per_second, per_minute))
        self._today = 0  # those of the market day, a restart included
        self._exits = (*spans, (0, per_day, "in a day"))
        self._entries = tuple((window, limit - limit // 4, words) for window, limit, words in self._exits)
        self._smallest_limit = min(allowed for _, allowed, _ in self._entries)  # below which nothing can be too much

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        return self._limit_reached(context.mono, request.purpose.is_exit)

    def on_passed(self, request: OrderRequest, context: OrderContext) -> None:
        self._count(context.mono)

    def restore_passed(self, request: OrderRequest, mono: int, *, is_change: bool) -> None:
        self._count(mono)

    def on_new_day(self) -> None:
        self._today = 0

    def try_count(self, mono: int, is_exit: bool) -> bool:
        """Return whether `check` of an order at `mono` would pass, and count it then."""
        # Of the day as many are sent at least as were sent today.
        if len(self._sent) >= self._smallest_limit and self._limit_reached(mono, is_exit) is not None:
            return False
        self._sent.append(mono)
        self._today += 1
        return True

    def _count(self, mono: int) -> None:
        self._sent.append(mono)
        self._today += 1

    def _limit_reached(self, mono: int, is_exit: bool) -> str | None:
        # What another order would be too much for.
        sent, count = self._sent, len(self._sent)
        for window, allowed, words in self._exits if is_exit else self._entries:
            if not window:
                is_reached = self._today >= allowed
            else:
                # Times do not go back in one boot of the machine: as many were sent in the window as make the limit if
                # the one that far back was. Those recalled from before a boot may be later than now, and are not.
                is_reached = count >= allowed and (not allowed or mono - window < sent[-allowed] <= mono)
            if is_reached:
                return f"{allowed} orders {words} is the limit"
        return None


class NoDuplicate(PlainControl):
    """The same order twice within the window, a signal acted on before, or an order in doubt for the symbol.

    The window is of our monotonic time.
    """

    name = "duplicate"
    MAX_REMEMBERED = 10_000  # signal ids; a day of 3,000 symbols trades far fewer

    def __init__(self, *, window_s: float) -> None:
        self._window_ns = int(window_s * SECOND)
        # What passed within the window: the newest as they came, (mono, order), and those before them by strategy,
        # symbol, side, kind and whether it is an exit. Decimals are compared and not hashed, which is dear.
        self._unsorted: list[tuple[int, OrderRequest]] = []
        self._orders: dict[tuple[str | bool, ...], list[tuple[int, OrderRequest]]] = {}
        self._signals: set[str] = set()  # signal ids, and those before them
        self._older: set[str] = set()
        self._newest_mono = -self._window_ns  # mono of the last order that passed

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        is_exit = request.purpose.is_exit
        if context.is_in_doubt and not is_exit:
            return f"an order for {request.symbol} is being sent or in doubt"
        return self.duplicate_reason(request, context.mono, is_exit)

    def on_passed(self, request: OrderRequest, context: OrderContext) -> None:
        self.remember_order(request, context.mono)

    def restore_passed(self, request: OrderRequest, mono: int, *, is_change: bool) -> None:
        if not is_change:
            self.remember_order(request, mono)

    def remember_order(self, request: OrderRequest, mono: int) -> None:
        """Keep an order that passed at `mono`."""
        newcomers, signal_id = self._unsorted, request.signal_id
        if mono - self._newest_mono >= self._window_ns:  # what passed before the window keeps nothing out
            newcomers.clear()
            if self._orders:
                self._orders.clear()
        self._newest_mono = mono
        newcomers.append((mono, request))
        if len(newcomers) >= MAX_UNSORTED:
            self._sort_in()
        if signal_id:
            self._signals.add(signal_id)
            if len(self._signals) >= self.MAX_REMEMBERED:
                self._older, self._signals = self._signals, set()

    def _sort_in(self) -> None:
        orders = self._orders
        for passed in self._unsorted:
            orders.setdefault(_kind(passed[1]), []).append(passed)
            if len(orders) > self.MAX_REMEMBERED:
                del orders[next(iter(orders))]
        self._unsorted.clear()

    def duplicate_reason(self, request: OrderRequest, mono: int, is_exit: bool) -> str | None:
        """Return why an order at `mono` is one that passed already, None where it is new."""
        signal_id = request.signal_id
        if signal_id and (signal_id in self._signals or signal_id in self._older):
            return f"signal {signal_id} was acted on already"
        if is_exit or mono - self._newest_mono >= self._window_ns:
            return None
        before = self._last_passed_mono(request)
        if before is not None and 0 <= mono - before < self._window_ns:  # later than now: of an earlier boot
            return f"the same order passed {(mono - before) / SECOND:.1f} s ago"
        return None

    def _last_passed_mono(self, request: OrderRequest) -> int | None:
        # The mono at which the same order passed last.
        self._sort_in()
        for mono, other in reversed(self._orders.get(_kind(request), ())):
            if other.quantity == request.quantity and other.price == request.price:
                return mono
        return None


def _kind(request: OrderRequest) -> tuple[str | bool, ...]:
    # What opens the other side of what was just closed is another order.
    return request.strategy, request.symbol, request.side, request.kind, request.purpose.is_exit
