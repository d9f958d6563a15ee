"""The reconciliation log: decides which reconciliations get a row in the journal."""

from __future__ import annotations

from tradebot.domain.messages import ExternalPosition, ReconciliationResult
from tradebot.domain.order import OrderState
from tradebot.trading.desk.account_view import AccountView


class ReconciliationLog:
    """Remembers the previous reconciliation.

    A reconciliation that shows the same as the one before gets no row. The first and the last of a run get one. So do
    those while an order is in doubt: without these rows nothing would show that the venue was asked.
    """

    def __init__(self, account: AccountView) -> None:
        self._account = account
        self._differences: tuple[str, ...] | None = None  # of the previous reconciliation; None before the first
        self._external: tuple[ExternalPosition, ...] = ()
        self._was_in_doubt = False

    def needs_row(self, report: ReconciliationResult, *, is_stopping: bool) -> bool:
        """Return whether the newest reconciliation needs a row. A run that stops needs a row for each."""
        in_doubt = any(order.state is OrderState.UNKNOWN for order in self._account.all_live_orders())
        is_evidence = (
            self._differences is None
            or report.differences != self._differences
            or report.external != self._external
            or bool(report.released)
            or in_doubt
            or self._was_in_doubt
            or is_stopping
        )
        self._differences, self._external, self._was_in_doubt = report.differences, report.external, in_doubt
        return is_evidence
