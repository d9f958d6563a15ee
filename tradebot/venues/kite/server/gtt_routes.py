"""Kite's GTT routes: place, change, delete and list the GTT orders of one account."""

from __future__ import annotations

from typing import Any

from tradebot.exchange.exchange import Exchange
from tradebot.exchange.gtt_order import BookGtt
from tradebot.exchange.refusals import ExchangeRefusal, RefusalCode
from tradebot.venues.kite.server.gtt_wire import gtt_record, parse_gtt
from tradebot.venues.kite.server.refusals import refusal_error
from tradebot.venues.kite.server.wire import Params

MAX_ID_DIGITS = 12


class KiteGttRoutes:
    """The GTT routes of one account. Every method raises KiteError or ExchangeRefusal where Kite would refuse."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange, self._gtts = exchange, exchange.gtt_book
        exchange.gtt_book.words = lambda refusal: refusal_error(refusal).message

    def create_gtt(self, params: Params) -> dict[str, Any]:
        """Keep a GTT order and return its id."""
        return {"trigger_id": self._gtts.place_gtt(parse_gtt(params)).gtt_id}

    def modify_gtt(self, trigger_id: str, params: Params) -> dict[str, Any]:
        """Replace the triggers and orders of an active GTT order and return its id."""
        return {"trigger_id": self._gtts.change_gtt(_number(trigger_id), parse_gtt(params)).gtt_id}

    def cancel_gtt(self, trigger_id: str) -> dict[str, Any]:
        """Delete an active GTT order and return its id."""
        return {"trigger_id": self._gtts.delete_gtt(_number(trigger_id)).gtt_id}

    def list_gtts(self) -> list[dict[str, Any]]:
        """Return the GTT orders that Kite's order book shows: active ones, and those that ended in the last week."""
        return [self._render(gtt) for gtt in self._gtts.listed_gtts()]

    def show_gtt(self, trigger_id: str) -> dict[str, Any]:
        """Return one GTT order, of any age."""
        return self._render(self._gtts.gtt_of(_number(trigger_id)))

    def _render(self, gtt: BookGtt) -> dict[str, Any]:
        universe, symbol = self._exchange.universe, gtt.ticket.symbol
        token = universe.instrument_of(symbol).token if symbol in universe else 0
        return gtt_record(gtt, account_id=self._exchange.account.account_id, token=token)


def _number(trigger_id: str) -> int:
    if not (trigger_id.isascii() and trigger_id.isdigit() and len(trigger_id) <= MAX_ID_DIGITS):
        raise ExchangeRefusal(RefusalCode.UNKNOWN_GTT, gtt_id=trigger_id)
    return int(trigger_id)
