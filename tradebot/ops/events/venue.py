"""Events of the venue's account: the login, and its lists of orders, fills, positions, cash and instruments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from tradebot.ops.events.event import ERROR, INFO, WARNING, Action, Count, Event, Positions, Reason, Seconds, Times


class Unanswered(Event, frozen=True):
    """What a start says while a venue does not answer."""

    tries: Count
    reason: Reason
    waits_s: Annotated[int, "seconds it goes on trying (venue.wait_at_start_s)"]


class LoginFailed(Unanswered, frozen=True):
    """The venue does not answer the login of a start; it is waited for inside the daemon."""

    level = WARNING
    do = "Look at the network and the venue's status page."


class InstrumentsNotRead(Unanswered, frozen=True):
    """The venue does not give its list of instruments at a start; it is waited for inside the daemon."""

    level = WARNING
    do = "Look at the network and the venue's status page."


class InstrumentsChecked(Event, frozen=True):
    """On a new trading day the venue's list of instruments says of ours what it said before."""

    level = INFO
    do = "Nothing."
    symbols: Annotated[int, "how many"]


class InstrumentsChanged(Event, frozen=True):
    """On a new trading day the venue's list of instruments says something else of ours: these symbols are halted."""

    level = ERROR
    do = "Restart the daemon before the market opens, then resume the symbols."
    changes: Annotated[Mapping[str, str], "symbol -> what changed"]


class BooksNotRead(Unanswered, frozen=True):
    """The venue does not give orders, fills and positions at a start; nothing is sent before it does."""

    level = WARNING
    do = "Look at the network and the venue's status page."


class SessionLost(Event, frozen=True):
    """The broker no longer knows our login: nothing is opened, exits are still tried, open positions are named."""

    level = ERROR
    do = "Log in again: tradebot login, and the venue's name; no restart and no resume is needed."
    reason: Reason
    positions: Positions
    action: Action = "no entries; exits are tried; log in, no restart and no resume is needed"


class ExitsRefused(Event, frozen=True):
    """An order route itself says that the login is dead: not even exits leave."""

    level = ERROR
    do = "Log in at once, or close the positions in the broker's app."
    reason: Reason
    positions: Positions
    action: Action = "no exit can leave: log in at once, or close them in the broker's app"


class SessionRestored(Event, frozen=True):
    """The broker knows our login again."""

    level, was = INFO, "session_back"
    do = "Nothing."
    reason: Reason = "the venue knows our login again"


class ReconciliationFailed(Event, frozen=True):
    """The venue's books could not be read; they are asked again, and after 60 s without them nothing is opened."""

    level, was = WARNING, "reconcile_failed"
    do = "Nothing at first. If `for_s` passes 60, look at the venue's status page."
    reason: Reason
    for_s: Annotated[float, "seconds since they were read last"]
    times: Times


class ReconciliationRestored(Event, frozen=True):
    """The venue's books are read again."""

    level, was = INFO, "reconcile_works"
    do = "Nothing."
    for_s: Seconds
    reason: Reason = "the venue's books are read again"


class RowsNotRead(Event, frozen=True):
    """Rows of a list of the venue could not be read: they are left out, and orders of ours among them are in doubt."""

    level = WARNING
    do = "Compare what `some` names with the broker's app; report it if the venue changed its answers."
    rows: Count
    some: Annotated[Sequence[str], "a few of them, each with what is wrong"]
    book: Annotated[str, "which list, of those read at the start"] | None = None
    times: Times | None = None


class HoldingsNotRead(Event, frozen=True):
    """What the account holds for delivery could not be read; the last answer counts on."""

    level = WARNING
    do = "Nothing, unless it lasts: deliveries cannot be sold against an unknown holding."
    reason: Reason
    times: Times


class CashNotRead(Event, frozen=True):
    """The account's free cash could not be read; it is shown to people and decides nothing."""

    level = WARNING
    do = "Nothing."
    reason: Reason
    times: Times
