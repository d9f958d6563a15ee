"""The gate: every order passes all controls or is denied; synchronous, total, and closed to what it does not know.

Each control answers None (pass) or the reason of its denial, written as "allow only if finite and within the limit", so
that a NaN denies. The gate asks all of them, keeps every answer for the journal, and reserves nothing: the desk does,
in the same synchronous step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol, TypeVar

from tradebot.domain.instrument import Instrument
from tradebot.domain.message import Message
from tradebot.domain.order import OrderRequest

C = TypeVar("C")


class View(Message, frozen=True, kw_only=False):
    """What the controls may know of the world at one instant, worst case included.

    `longest` and `shortest` are the position if every live buy, or every live sell, filled; `closable` is what of it
    the venue holds as well. `gross` is the notional of the account at that worst case, without this symbol; like
    `day_pnl` a sum over all positions, worked out when a control asks, which none does for an exit. `quote_age_s` is
    wall time, None before the first quote. `beyond` is what the venue holds beyond ours of the line that the order
    trades, `unaccounted` what others did in the symbol that its books do not account for, empty where nothing is.
    `blind` says why too little is known of the venue's books, `quote_trouble` why nothing may be opened on the newest
    quote, `session_lost` why our login is dead; `orders_refused` when an order route said so. `disk_short` says why the
    journal's disk has no room for what an entry leads to, `disk_full` why not even for an exit.
    """

    instrument: Instrument
    quantity: Decimal
    closable: Decimal
    longest: Decimal
    shortest: Decimal
    closing: Decimal
    open_orders: int
    in_doubt: bool
    reference: Decimal | None
    quote_age_s: float | None
    feed_is_stale: bool
    halted: str
    unaccounted: str
    beyond: Decimal
    entries_closed: str
    gross: Callable[[], Decimal]
    day_pnl: Callable[[], Decimal]
    mono: int
    blind: str = ""
    quote_trouble: str = ""
    session_lost: str = ""
    orders_refused: bool = False
    disk_short: str = ""
    disk_full: str = ""


class Control(Protocol):
    """One control. `check` decides; `passed` is told of every order that all controls let through, and of every change
    of one: only exits are changed.

    `recall` is told of those that passed before a restart, on the same market day, and `begin_day` of another one.
    """

    name: str

    def check(self, request: OrderRequest, view: View) -> str | None: ...

    def passed(self, request: OrderRequest, view: View) -> None: ...

    def recall(self, request: OrderRequest, mono: int, *, is_change: bool) -> None: ...

    def begin_day(self) -> None: ...


class Verdict(NamedTuple):
    """What the gate says: `reason` is empty when the order may go, else `control` names who denied it first.

    `checks` has one line per control.
    """

    reason: str
    checks: tuple[str, ...]
    control: str = ""

    @property
    def is_passed(self) -> bool:
        return not self.reason


class Gate:
    """Asks all controls; an order is denied with the first reason, and every answer is kept.

    `most` tells the largest quantity of one order in an instrument, where one is known.
    """

    def __init__(
        self, controls: Sequence[Control], *, most: Callable[[Instrument], Decimal | None] | None = None
    ) -> None:
        self.controls, self.most = tuple(controls), most
        # What a control has nothing to say of is not asked, which is half of them for an exit.
        self._entries = tuple(c.check for c in controls if getattr(c, "of_entries", True))
        self._exits = tuple(c.check for c in controls if getattr(c, "of_exits", True))
        self._remember = tuple(
            c.passed for c in controls if getattr(type(c), "passed", None) is not PlainControl.passed
        )
        # Hardly an order is denied: the lines of one that is not are made once.
        self.passed = Verdict("", tuple(f"{control.name}: ok" for control in controls))

    def check(self, request: OrderRequest, view: View) -> Verdict:
        """Return whether an order may go; every control that remembers is told of one that may."""
        for check in self._exits if request.purpose.is_exit else self._entries:
            if check(request, view) is not None:
                return self._denied(request, view)
        for passed in self._remember:
            passed(request, view)
        return self.passed

    def control(self, kind: type[C]) -> C:
        """Return the control of a kind, which this gate must have."""
        return next(control for control in self.controls if isinstance(control, kind))

    def recall(self, request: OrderRequest, mono: int, *, is_change: bool = False) -> None:
        """Let the controls remember an order, or a change of one, that passed today before a restart."""
        for control in self.controls:
            control.recall(request, mono, is_change=is_change)

    def begin_day(self) -> None:
        """Let the counters of a day begin at zero."""
        for control in self.controls:
            control.begin_day()

    def _denied(self, request: OrderRequest, view: View) -> Verdict:
        answers = [(control.name, control.check(request, view)) for control in self.controls]
        lines = tuple(f"{name}: {'ok' if answer is None else answer}" for name, answer in answers)
        control, answer = next((name, answer) for name, answer in answers if answer is not None)
        return Verdict(f"{control}: {answer}", lines, control)


class PlainControl:
    """What controls have in common: one keeps nothing unless it says so, and is asked of entries and of exits.

    One that has nothing to say of entries, or of exits, says so and is not asked of them.
    """

    name = ""
    of_entries = True
    of_exits = True

    def passed(self, request: OrderRequest, view: View) -> None:
        return None

    def recall(self, request: OrderRequest, mono: int, *, is_change: bool) -> None:
        return None

    def begin_day(self) -> None:
        return None


def within(value: Decimal, limit: Decimal) -> bool:
    """True only for a finite value not above the limit; a NaN is never within."""
    return value.is_finite() and value <= limit
