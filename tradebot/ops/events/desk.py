"""Events of the desk: halts and what lifts them, differences from the venue's books, and what strategies wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from tradebot.ops.events.event import (
    ERROR,
    INFO,
    WARNING,
    Action,
    Event,
    Price,
    Quantity,
    Reason,
    Strategy,
    Symbol,
    Symbols,
)
from tradebot.ops.events.orders import OrderId

Halted = Annotated[str, "what it is about: all, strategy:NAME or symbol:NAME"]
Hour = Annotated[str, "HH:MM in the exchange's zone"]


class DayStarted(Event, frozen=True):
    """A trading day of the exchange begins, with its hours; `earlier` holds the symbols whose day ends before."""

    level, was = INFO, "session_begins"
    do = "Nothing."
    day: Annotated[str, "the date"]
    opens: Hour
    entries_until: Hour
    square_off_at: Hour
    closes: Hour
    earlier: Annotated[Sequence[Mapping[str, Any]], "how many symbols, and their hours"] | None = None


class HaltRaised(Event, frozen=True):
    """A person or a rule halted: nothing is opened in that scope; exits, guards and cancels go on."""

    level, was = ERROR, "halted"
    do = "Read the reason, mend the cause, then `tradebot resume` with that scope."
    reason: Reason
    scope: Halted


class HaltLifted(Event, frozen=True):
    """A halt was lifted by a person."""

    level, was = INFO, "resumed"
    do = "Nothing."
    reason: Reason
    scope: Halted


class HaltEnded(Event, frozen=True):
    """A halt that a rule called for the day ended with the day."""

    level = INFO
    do = "Nothing."
    scope: Halted
    reason: Reason
    because: Annotated[str, "why it is over"] = "its session is over"


class FlattenStarted(Event, frozen=True):
    """Every position is being closed, and nothing is opened from now on."""

    level, was = WARNING, "flattening"
    do = "Watch `tradebot positions` until it is empty, then `tradebot resume`."
    reason: Reason
    id: Annotated[str, "of the command; the same one twice closes once"]


class IncidentRaised(Event, frozen=True):
    """Something happened that should not have, and money may be concerned; a halt that it led to is told beside it."""

    level, was = ERROR, "incident"
    do = "Read the reason, compare with the broker's app, and keep the state directory."
    reason: Reason
    order_id: OrderId | None = None


class DifferenceFound(Event, frozen=True):
    """The venue's books and ours differ in a symbol, twice in a row: its entries are halted."""

    level, was = ERROR, "difference"
    do = "Find out which is right (a trade by hand, say); entries go on by themselves once both agree."
    reason: Reason
    action: Action = "entries in this symbol are halted"


class DifferencesSettled(Event, frozen=True):
    """The venue's books and ours agree again."""

    level, was = INFO, "reconciled"
    do = "Nothing."
    reason: Reason = "the differences are gone"


class PositionAdopted(Event, frozen=True):
    """A position that the venue shows was taken into our books, because its fills were ours."""

    level = WARNING
    do = "Check that it is what you think it is; it is traded and guarded from now on."
    symbol: Symbol
    qty: Quantity
    price: Price


class SignalFired(Event, frozen=True):
    """A strategy wants something of a symbol; the gate has not seen it yet."""

    level, was = INFO, "signal"
    do = "Nothing."
    symbol: Symbol
    strategy: Strategy
    action: Annotated[str, "what it wants, such as enter_long"]
    price: Annotated[float, "the close it was decided at"]
    inputs: Annotated[Mapping[str, float], "the indicator values behind it"]


class SignalsTruncated(Event, frozen=True):
    """A close had more signals than the log shows; the journal has them all."""

    level, was = INFO, "signals_not_shown"
    do = "Nothing."
    reason: Reason


class SignalsMissed(Event, frozen=True):
    """Workers gave no answer for these symbols in time: at this close nothing is decided in them."""

    level, was = WARNING, "signals_missing"
    do = "Look for worker_lost and strategy_disabled; if it repeats, raise analysis.deadline_s or analysis.workers."
    symbols: Symbols
