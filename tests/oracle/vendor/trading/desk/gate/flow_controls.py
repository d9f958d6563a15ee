"""Controls of the moment: halts, the HALT file, session, stale data, message rate, duplicates."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.order import OrderRequest
from tests.oracle.vendor.trading.desk.gate.gate import OrderContext, PlainControl

MAX_UNSORTED = 64  # orders kept unsorted: on most days no check needs them sorted


class NotHalted(PlainControl):
    """Lets only exits pass during a halt."""

    name = "halt"
    checks_exits = False

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry while a halt covers its symbol or strategy; return the reason of the halt, else None."""
        return f"halted: {context.halt_reason}" if context.halt_reason and not request.purpose.is_exit else None


class NotKilled(PlainControl):
    """Lets no order pass while the HALT file exists, not even an exit.

    `kill_reason` returns the reason in the file, empty without a file.
    """

    name = "kill"

    def __init__(self, kill_reason: Callable[[], str]) -> None:
        self.kill_reason = kill_reason

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny every order while the HALT file exists; return the file's reason, else None."""
        return self.kill_reason() or None


class InSession(PlainControl):
    """Lets no entry pass outside the session, or after the time for entries is over."""

    name = "session"
    checks_exits = False

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry while entries in its symbol are closed; return why they are, else None."""
        return context.entries_closed if context.entries_closed and not request.purpose.is_exit else None


class FreshData(PlainControl):
    """Requires a fresh quote and a live feed for an entry; for an exit a quote of at most 60 s."""

    name = "fresh_data"
    EXIT_AGE_S = 60.0

    def __init__(self, *, max_age_s: float) -> None:
        self._max_age_s = max_age_s

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an order without a quote or on a quote that is too old; deny an entry on a stale feed or a bad quote.

        Ages are in wall seconds. An entry's quote may be `max_age_s` old, an exit's 60 s or `max_age_s`, whichever is
        longer. Returns the reason, else None.
        """
        if request.purpose.rests:
            return None  # it is wanted most where no quotes come, and the venue judges its trigger
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
    """Limits orders per second, minute and market day, and keeps a quarter of each limit for exits.

    Without that, entries that passed the gate would wait at the venue's rate limiter and delay the exits behind them.
    Seconds and minutes are of market time; `pace` is how many market seconds pass in one wall second.
    """

    name = "message_rate"

    def __init__(self, *, per_second: int, per_minute: int, per_day: int, pace: float = 1.0) -> None:
        spans = ((int(SECOND / pace), per_second, "in a second"), (int(MINUTE / pace), per_minute, "in a minute"))
        self._sent: deque[int] = deque(maxlen=max(per_second, per_minute))
        self._today = 0  # orders of the market day, those before a restart included
        # (window in monotonic ns, most orders within it, words); a window of 0 is the market day
        self._exits = (*spans, (0, per_day, "in a day"))
        self._entries = tuple((window, limit - limit // 4, words) for window, limit, words in self._exits)
        self._smallest_limit = min(allowed for _, allowed, _ in self._entries)  # with fewer orders none is reached

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an order that would exceed the limit per second, minute or day; return which limit, else None.

        An entry may use three quarters of each limit, an exit all of it. Changes of orders count as orders.
        """
        return self._limit_reached(context.mono, request.purpose.is_exit)

    def on_passed(self, request: OrderRequest, context: OrderContext) -> None:
        """Count an order that passed."""
        self._count(context.mono)

    def restore_passed(self, request: OrderRequest, mono: int, *, is_change: bool) -> None:
        """Count an order that passed today before a restart."""
        self._count(mono)

    def on_new_day(self) -> None:
        """Count the orders of the day from zero."""
        self._today = 0

    @property
    def day_usage(self) -> tuple[int, int]:
        """Return (orders of the market day so far, most orders of a day)."""
        return self._today, self._exits[-1][1]

    def try_count(self, mono: int, is_exit: bool) -> bool:
        """Return whether `check` would pass an order at `mono` (monotonic ns); count the order if so."""
        # Fewer orders than the smallest limit cannot reach any limit, that of the day included.
        if len(self._sent) >= self._smallest_limit and self._limit_reached(mono, is_exit) is not None:
            return False
        self._sent.append(mono)
        self._today += 1
        return True

    def take_over(self, before: MessageRate) -> None:
        """Remember the orders that a control with other limits counted."""
        self._sent.extend(before._sent)
        self._today = before._today

    def _count(self, mono: int) -> None:
        self._sent.append(mono)
        self._today += 1

    def _limit_reached(self, mono: int, is_exit: bool) -> str | None:
        # The limit that another order would exceed.
        sent, count = self._sent, len(self._sent)
        for window, allowed, words in self._exits if is_exit else self._entries:
            if not window:
                is_reached = self._today >= allowed
            else:
                # Times do not go back within one boot of the machine. So `allowed` orders are in the window if the one
                # that many places back is in it. A time later than `mono` is from before a reboot and does not count.
                is_reached = count >= allowed and (not allowed or mono - window < sent[-allowed] <= mono)
            if is_reached:
                return f"{allowed} orders {words} is the limit"
        return None


class NoDuplicate(PlainControl):
    """Lets no order pass twice within `window_s` wall seconds, and no signal twice.

    The window is measured in monotonic time.
    """

    name = "duplicate"
    MAX_REMEMBERED = 10_000  # signal ids kept; a day of 3,000 symbols trades far fewer

    def __init__(self, *, window_s: float) -> None:
        self._window_ns = int(window_s * SECOND)
        # The orders that passed within the window as (monotonic ns, order): the newest unsorted, the older ones by
        # strategy, symbol, side, kind and whether they are exits. Decimals are compared, because hashing them is slow.
        self._unsorted: list[tuple[int, OrderRequest]] = []
        self._orders: dict[tuple[str | bool, ...], list[tuple[int, OrderRequest]]] = {}
        # The ids of the signals that were acted on. When the newer set is full it becomes the older one.
        self._signals: set[str] = set()
        self._older: set[str] = set()
        self._newest_mono = -self._window_ns  # monotonic ns of the last order that passed

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry that repeats an order within the window, or whose symbol has an order in doubt.

        Deny every order whose signal was acted on already. Returns the reason, else None.
        """
        is_exit = request.purpose.is_exit
        if context.is_in_doubt and not is_exit:
            return f"an order for {request.symbol} is being sent or in doubt"
        return self.duplicate_reason(request, context.mono, is_exit)

    def on_passed(self, request: OrderRequest, context: OrderContext) -> None:
        """Remember an order that passed."""
        self.remember_order(request, context.mono)

    def restore_passed(self, request: OrderRequest, mono: int, *, is_change: bool) -> None:
        """Remember an order that passed before a restart; a change of an order is not remembered."""
        if not is_change:
            self.remember_order(request, mono)

    def remember_order(self, request: OrderRequest, mono: int) -> None:
        """Remember an order that passed at `mono` (monotonic ns)."""
        unsorted, signal_id = self._unsorted, request.signal_id
        if mono - self._newest_mono >= self._window_ns:  # orders from before the window deny nothing
            unsorted.clear()
            if self._orders:
                self._orders.clear()
        self._newest_mono = mono
        unsorted.append((mono, request))
        if len(unsorted) >= MAX_UNSORTED:
            self._sort_in()
        if signal_id:
            self._signals.add(signal_id)
            if len(self._signals) >= self.MAX_REMEMBERED:
                self._older, self._signals = self._signals, set()

    def take_over(self, before: NoDuplicate) -> None:
        """Remember the orders and signals that a control with another window remembered."""
        self._unsorted, self._orders, self._newest_mono = before._unsorted, before._orders, before._newest_mono
        self._signals, self._older = before._signals, before._older

    def _sort_in(self) -> None:
        orders = self._orders
        for passed in self._unsorted:
            orders.setdefault(_kind(passed[1]), []).append(passed)
            if len(orders) > self.MAX_REMEMBERED:
                del orders[next(iter(orders))]
        self._unsorted.clear()

    def duplicate_reason(self, request: OrderRequest, mono: int, is_exit: bool) -> str | None:
        """Return why an order at `mono` (monotonic ns) repeats one that passed, None where it is new."""
        signal_id = request.signal_id
        if signal_id and (signal_id in self._signals or signal_id in self._older):
            return f"signal {signal_id} was acted on already"
        if is_exit or mono - self._newest_mono >= self._window_ns:
            return None
        before = self._last_passed_mono(request)
        if before is not None and 0 <= mono - before < self._window_ns:  # a later time is from before a reboot
            return f"the same order passed {(mono - before) / SECOND:.1f} s ago"
        return None

    def _last_passed_mono(self, request: OrderRequest) -> int | None:
        # The monotonic ns at which the same order passed last.
        self._sort_in()
        for mono, other in reversed(self._orders.get(_kind(request), ())):
            if other.quantity == request.quantity and other.price == request.price:
                return mono
        return None


def _kind(request: OrderRequest) -> tuple[str | bool, ...]:
    # An entry is not the same order as an exit on the same side: it opens the other side after the exit.
    return request.strategy, request.symbol, request.side, request.kind, request.purpose.is_exit
