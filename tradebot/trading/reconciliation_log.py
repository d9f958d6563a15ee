"""The looks at the venue's books: which of them are evidence, so that the engine gives them a row in the journal."""

from __future__ import annotations

from tradebot.domain.messages import ExternalPosition, ReconciliationResult
from tradebot.domain.order import OrderState
from tradebot.trading.desk.account_view import AccountView


class ReconciliationLog:
    """Knows what the look before showed.

    Agreement every five seconds is no news. The first and the last look of a run and those that decide on an order in
    doubt are evidence: without their rows nobody could show that the venue was asked.
    """

    def __init__(self, account: AccountView) -> None:
        self._account = account
        self._differences: tuple[str, ...] | None = None  # of the look before; None without one
        self._external: tuple[ExternalPosition, ...] = ()
        self._was_in_doubt = False

    def needs_row(self, report: ReconciliationResult, *, is_stopping: bool) -> bool:
        """Return whether `report`, the newest, needs a row; a run that stops needs one of each."""
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
