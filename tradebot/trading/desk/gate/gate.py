"""The gate: an order passes every control or is denied. It is synchronous, decides every order, and denies the unknown.

Each control returns None (pass) or the reason of its denial. Controls are written as "allow only if finite and within
the limit", so that a NaN denies. A decision has the answer of every control, for the journal. The gate reserves no
exposure: the desk does that in the same synchronous step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol, TypeVar

from tradebot.domain.instrument import Instrument
from tradebot.domain.message import Message
from tradebot.domain.order import OrderRequest

C = TypeVar("C")


class OrderContext(Message, frozen=True, kw_only=False):
    """What the controls know when they judge one order.

    Quantities are in shares or contracts, money is in the account's currency. A reason is a sentence, empty where there
    is none.

    `quantity` is our signed position, `closable_quantity` the part of it that the venue holds too. `longest` and
    `shortest` are the position if every live buy, or every live sell, filled. `closing_quantity` is what working exits
    may still close, `open_orders` the number of working orders of the account. `reference` is the price that the order
    was decided at, None before the first quote; `quote_age_s` is in wall seconds, None before the first quote.

    `gross_elsewhere` returns the worst-case notional of all other symbols, `day_profit` the day's profit after charges.
    Both sum over all positions, so they are functions; no control calls them for an exit.

    `external_quantity` is the signed quantity under the order's netting key at the venue that is not ours.
    `unaccounted` says what others did in the symbol that no snapshot accounts for. `blind_reason` says why too little
    is known about the account at the venue, `quote_trouble` why the newest quote allows no entry, `session_lost` why
    our login is dead; `orders_refused` is True once an order route said so. `disk_short` says why the journal's disk
    has no room for what an entry leads to, `disk_full` why not even for an exit. `mono` is monotonic ns.
    """

    instrument: Instrument
    quantity: Decimal
    closable_quantity: Decimal
    longest: Decimal
    shortest: Decimal
    closing_quantity: Decimal
    open_orders: int
    is_in_doubt: bool
    reference: Decimal | None
    quote_age_s: float | None
    feed_is_stale: bool
    halt_reason: str
    unaccounted: str
    external_quantity: Decimal
    entries_closed: str
    gross_elsewhere: Callable[[], Decimal]
    day_profit: Callable[[], Decimal]
    mono: int
    blind_reason: str = ""
    quote_trouble: str = ""
    session_lost: str = ""
    orders_refused: bool = False
    disk_short: str = ""
    disk_full: str = ""


class Control(Protocol):
    """One pre-trade control; a denial names it by `name`."""

    name: str

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Return why an order is denied, None where this control lets it pass."""
        ...

    def on_passed(self, request: OrderRequest, context: OrderContext) -> None:
        """Remember an order that all controls let pass, or a change of one; only exits are changed."""
        ...

    def restore_passed(self, request: OrderRequest, mono: int, *, is_change: bool) -> None:
        """Remember an order, or a change of one, that passed at `mono` (monotonic ns) today before a restart."""
        ...

    def on_new_day(self) -> None:
        """Reset the counts of the market day, because another one begins."""
        ...


class GateDecision(NamedTuple):
    """The gate's decision about an order.

    `reason` is empty if the order may leave; else `control` names the first control that denied it. `checks` has one
    line per control.
    """

    reason: str
    checks: tuple[str, ...]
    control: str = ""

    @property
    def is_passed(self) -> bool:
        """Return whether the order may leave."""
        return not self.reason


class Gate:
    """Asks all controls. The first reason denies an order; every answer is kept.

    `max_quantity` returns the largest quantity of one order in an instrument, None where none is known. `limits` are
    those that the controls were built from, for those who show them.
    """

    def __init__(
        self,
        controls: Sequence[Control],
        *,
        max_quantity: Callable[[Instrument], Decimal | None] | None = None,
        limits: Message | None = None,
    ) -> None:
        self.max_quantity = max_quantity
        self.replace_controls(controls, limits=limits)

    def replace_controls(self, controls: Sequence[Control], *, limits: Message | None) -> None:
        """Ask these controls, built from `limits`, from the next order on."""
        self.controls, self.limits = tuple(controls), limits
        # A control that does not judge exits, or entries, is not asked about them. Half of them do not judge exits.
        self._entries = tuple(c.check for c in controls if getattr(c, "checks_entries", True))
        self._exits = tuple(c.check for c in controls if getattr(c, "checks_exits", True))
        self._remember = tuple(
            c.on_passed for c in controls if getattr(type(c), "on_passed", None) is not PlainControl.on_passed
        )
        # Most orders pass, and all that pass share this decision.
        self.passed_decision = GateDecision("", tuple(f"{control.name}: ok" for control in controls))

    def check_order(self, request: OrderRequest, context: OrderContext) -> GateDecision:
        """Return the decision about an order; the controls that remember orders note one that passes."""
        if not self.would_pass(request, context):
            return self._denied(request, context)
        for passed in self._remember:
            passed(request, context)
        return self.passed_decision

    def would_pass(self, request: OrderRequest, context: OrderContext) -> bool:
        """Return whether an order would pass now; no control notes it."""
        for check in self._exits if request.purpose.is_exit else self._entries:
            if check(request, context) is not None:
                return False
        return True

    def find_control(self, kind: type[C]) -> C:
        """Return the control of class `kind`, which this gate must have."""
        return next(control for control in self.controls if isinstance(control, kind))

    def restore_passed(self, request: OrderRequest, mono: int, *, is_change: bool = False) -> None:
        """Let the controls remember an order, or a change of one, that passed today before a restart.

        `mono` is monotonic ns.
        """
        for control in self.controls:
            control.restore_passed(request, mono, is_change=is_change)

    def begin_market_day(self) -> None:
        """Reset the controls' counts of the market day to zero."""
        for control in self.controls:
            control.on_new_day()

    def _denied(self, request: OrderRequest, context: OrderContext) -> GateDecision:
        answers = [(control.name, control.check(request, context)) for control in self.controls]
        lines = tuple(f"{name}: {'ok' if answer is None else answer}" for name, answer in answers)
        control, answer = next((name, answer) for name, answer in answers if answer is not None)
        return GateDecision(f"{control}: {answer}", lines, control)


class PlainControl:
    """A control that remembers no orders and judges entries and exits, unless it overrides that.

    A control with `checks_entries` or `checks_exits` False is not asked about such orders.
    """

    name = ""
    checks_entries = True
    checks_exits = True

    def on_passed(self, request: OrderRequest, context: OrderContext) -> None:
        """Remember nothing."""

    def restore_passed(self, request: OrderRequest, mono: int, *, is_change: bool) -> None:
        """Remember nothing."""

    def on_new_day(self) -> None:
        """Forget nothing, because nothing is remembered."""


def is_within(value: Decimal, limit: Decimal) -> bool:
    """Return whether `value` is finite and not above `limit`; a NaN never is."""
    return value.is_finite() and value <= limit
