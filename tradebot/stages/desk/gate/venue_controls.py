"""Controls over what we know of the venue: nothing is opened blind, and each of them is over by itself."""

from __future__ import annotations

from tradebot.domain.order import OrderRequest
from tradebot.stages.desk.gate.gate import Rule, View


class BooksKnown(Rule):
    """An entry needs the venue's books; while they cannot be read nothing is opened."""

    name = "books"
    of_exits = False

    def check(self, request: OrderRequest, view: View) -> str | None:
        return view.blind if view.blind and not request.purpose.is_exit else None
