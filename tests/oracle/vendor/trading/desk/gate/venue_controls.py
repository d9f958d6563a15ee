"""Controls of what we know about the venue and can record. Each denial ends by itself once its cause is gone."""

from __future__ import annotations

from tradebot.domain.order import OrderRequest
from tests.oracle.vendor.trading.desk.gate.gate import OrderContext, PlainControl


class LoginValid(PlainControl):
    """Requires a valid login for an entry; an exit is tried until an order route says that the login is dead."""

    name = "broker_session"

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry while the login is lost, and an exit once an order route refused it; return why, else None."""
        if not context.session_lost or (request.purpose.is_exit and not context.orders_refused):
            return None
        return context.session_lost


class BooksKnown(PlainControl):
    """Requires a recent account snapshot for an entry."""

    name = "books"
    checks_exits = False

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry while no account snapshot could be read for too long; return for how long, else None."""
        return context.blind_reason if context.blind_reason and not request.purpose.is_exit else None


class PositionAccounted(PlainControl):
    """Lets no entry pass where external orders are not accounted for, or where it would close an external position."""

    name = "accounted"
    checks_exits = False

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry in a symbol that is not accounted for, or against an external quantity under its netting key.

        Returns the reason, else None.
        """
        if request.purpose.is_exit:
            return None
        if context.unaccounted:
            return context.unaccounted
        if context.external_quantity * request.side.sign < 0:
            return f"{context.external_quantity} is held there that is not ours, and a {request.side} would close it"
        return None


class DiskSpaceLeft(PlainControl):
    """Requires disk space for the journal: an entry needs room for all that follows from it, an exit the reserve."""

    name = "disk_space"

    def check(self, request: OrderRequest, context: OrderContext) -> str | None:
        """Deny an entry while the journal's disk is short, and an exit once it is full; return why, else None."""
        return (context.disk_full if request.purpose.is_exit else context.disk_short) or None
