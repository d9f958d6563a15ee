"""A market: the zone, calendar, currency and products of where an instrument trades."""

from __future__ import annotations

from datetime import tzinfo

from tradebot.clock import IST
from tradebot.domain.message import Message


class Market(Message, frozen=True):
    """Where something trades."""

    time: tzinfo


HOME = Market(time=IST)
