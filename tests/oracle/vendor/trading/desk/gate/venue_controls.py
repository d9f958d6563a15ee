"""Controls over what we know of the venue and can write down: nothing is opened blind; each is over by itself."""

from __future__ import annotations

from tradebot.domain.order import OrderRequest
from tests.oracle.vendor.trading.desk.gate.gate import PlainControl, View


class SessionHeld(PlainControl):
    """An entry needs a login that holds; an exit is tried until an order route says that the login is dead."""

    name = "broker_session"

    def check(self, request: OrderRequest, view: View) -> str | None:
        if not view.session_lost or (request.purpose.is_exit and not view.orders_refused):
            return None
        return view.session_lost


class BooksKnown(PlainControl):
    """An entry needs the venue's books; while they cannot be read nothing is opened."""

    name = "books"
    of_exits = False

    def check(self, request: OrderRequest, view: View) -> str | None:
        return view.blind if view.blind and not request.purpose.is_exit else None


class Accounted(PlainControl):
    """No entry where others trade the same line, while the books do not account for it or it would close theirs."""

    name = "accounted"
    of_exits = False

    def check(self, request: OrderRequest, view: View) -> str | None:
        if request.purpose.is_exit:
            return None
        if view.unaccounted:
            return view.unaccounted
        if view.beyond * request.side.sign < 0:
            return f"{view.beyond} is held there that is not ours, and a {request.side} would close it"
        return None


class Recordable(PlainControl):
    """An entry needs room on the journal's disk for all that follows from it, an exit the journal's reserve."""

    name = "disk_space"

    def check(self, request: OrderRequest, view: View) -> str | None:
        return (view.disk_full if request.purpose.is_exit else view.disk_short) or None
