"""Kite's classes under neutral names, for the benchmarks that compare venues."""

from __future__ import annotations

from tradebot.venues.kite.broker import KiteBroker as Broker
from tradebot.venues.kite.feed import KiteFeed as Feed
from tradebot.venues.kite.packets import RECORDS
from tradebot.venues.kite.rules import HEADERS
from tradebot.venues.kite.rules import KITE_RULES as PROFILE

__all__ = ["HEADERS", "PROFILE", "RECORDS", "Broker", "Feed"]
