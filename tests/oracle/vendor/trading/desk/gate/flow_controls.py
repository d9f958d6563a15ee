"""Controls over the moment: halt, session, stale data, message rate, duplicates."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from tradebot.clock import MINUTE, SECOND
from tradebot.domain.order import OrderRequest
from tests.oracle.vendor.trading.desk.gate.gate import PlainControl, View

NEWCOMERS = 64  # orders not sorted in yet: most days ask for none of them


class NotHalted(PlainControl):
    """A halt lets exits pass and nothing else."""

    name = "halt"
    of_exits = False

    def check(self, request: OrderRequest, view: View) -> str | None:
        return f"halted: {view.halted}" if view.halted and not request.purpose.is_exit else None


class NotKilled(PlainControl):
    """While the HALT file is there nothing leaves, not even an exit; `killed` tells its reason, empty without it."""

    name = "kill"

    def __init__(self, killed: Callable[[], str]) -> None:
        self.killed = killed

    def check(self, request: OrderRequest, view: View) -> str | None:
        return self.killed() or None


class InSession(PlainControl):
    """No entry outside the session or after the time from which positions are squared off."""

    name = "session"
    of_exits = False

    def check(self, request: OrderRequest, view: View) -> str | None:
        return view.entries_closed if view.entries_closed and not request.purpose.is_exit else None


class FreshData(PlainControl):
    """An entry needs a fresh quote and a live feed; an exit may use a reference up to 60 s old."""

    name = "fresh_data"
    EXIT_AGE_S = 60.0

    def __init__(self, *, max_age_s: float) -> None:
        self._max_age_s = max_age_s

    def check(self, request: OrderRequest, view: View) -> str | None:
        if view.quote_age_s is None:
            return "no quote has come yet"
        if request.purpose.is_exit:
            limit = max(self.EXIT_AGE_S, self._max_age_s)
        elif view.feed_is_stale:
            return "the feed is stale"
        elif view.quote_trouble:
            return view.quote_trouble
        else:
            limit = self._max_age_s
        return None if view.quote_age_s <= limit else f"the quote is {view.quote_age_s:.1f} s old, above {limit:.1f} s"


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
        self._fewest = min(allowed for _, allowed, _ in self._entries)  # below which nothing can be too much

    def check(self, request: OrderRequest, view: View) -> str | None:
        return self._reached(view.mono, request.purpose.is_exit)

    def passed(self, request: OrderRequest, view: View) -> None:
        self._count(view.mono)

    def recall(self, request: OrderRequest, mono: int, *, is_change: bool) -> None:
        self._count(mono)

    def begin_day(self) -> None:
        self._today = 0

    def counts_in(self, mono: int, is_exit: bool) -> bool:
        """Return whether `check` of an order at `mono` would pass, and count it then."""
        # Of the day as many are sent at least as were sent today.
        if len(self._sent) >= self._fewest and self._reached(mono, is_exit) is not None:
            return False
        self._sent.append(mono)
        self._today += 1
        return True

    def _count(self, mono: int) -> None:
        self._sent.append(mono)
        self._today += 1

    def _reached(self, mono: int, is_exit: bool) -> str | None:
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
    REMEMBERED = 10_000  # signal ids; a day of 3,000 symbols trades far fewer

    def __init__(self, *, window_s: float) -> None:
        self._window = int(window_s * SECOND)
        # What passed within the window: the newest as they came, (mono, order), and those before them by strategy,
        # symbol, side, kind and whether it is an exit. Decimals are compared and not hashed, which is dear.
        self._newcomers: list[tuple[int, OrderRequest]] = []
        self._orders: dict[tuple[str | bool, ...], list[tuple[int, OrderRequest]]] = {}
        self._signals: set[str] = set()  # signal ids, and those before them
        self._older: set[str] = set()
        self._newest = -self._window  # mono of the last order that passed

    def check(self, request: OrderRequest, view: View) -> str | None:
        is_exit = request.purpose.is_exit
        if view.in_doubt and not is_exit:
            return f"an order for {request.symbol} is being sent or in doubt"
        return self.repeats(request, view.mono, is_exit)

    def passed(self, request: OrderRequest, view: View) -> None:
        self.remember(request, view.mono)

    def recall(self, request: OrderRequest, mono: int, *, is_change: bool) -> None:
        if not is_change:
            self.remember(request, mono)

    def remember(self, request: OrderRequest, mono: int) -> None:
        """Keep an order that passed at `mono`."""
        newcomers, signal_id = self._newcomers, request.signal_id
        if mono - self._newest >= self._window:  # what passed before the window keeps nothing out
            newcomers.clear()
            if self._orders:
                self._orders.clear()
        self._newest = mono
        newcomers.append((mono, request))
        if len(newcomers) >= NEWCOMERS:
            self._settle()
        if signal_id:
            self._signals.add(signal_id)
            if len(self._signals) >= self.REMEMBERED:
                self._older, self._signals = self._signals, set()

    def _settle(self) -> None:
        orders = self._orders
        for passed in self._newcomers:
            orders.setdefault(_kind(passed[1]), []).append(passed)
            if len(orders) > self.REMEMBERED:
                del orders[next(iter(orders))]
        self._newcomers.clear()

    def repeats(self, request: OrderRequest, mono: int, is_exit: bool) -> str | None:
        """Return why an order at `mono` is one that passed already, None where it is new."""
        signal_id = request.signal_id
        if signal_id and (signal_id in self._signals or signal_id in self._older):
            return f"signal {signal_id} was acted on already"
        if is_exit or mono - self._newest >= self._window:
            return None
        before = self._before(request)
        if before is not None and 0 <= mono - before < self._window:  # later than now: of an earlier boot
            return f"the same order passed {(mono - before) / SECOND:.1f} s ago"
        return None

    def _before(self, request: OrderRequest) -> int | None:
        # The mono at which the same order passed last.
        self._settle()
        for mono, other in reversed(self._orders.get(_kind(request), ())):
            if other.quantity == request.quantity and other.price == request.price:
                return mono
        return None


def _kind(request: OrderRequest) -> tuple[str | bool, ...]:
    # What opens the other side of what was just closed is another order.
    return request.strategy, request.symbol, request.side, request.kind, request.purpose.is_exit
