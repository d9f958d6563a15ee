"""Where each exchange lives and when it opens: its zone and the time of its opening there."""

from __future__ import annotations

from datetime import time

INDIA, NEW_YORK, UTC_ZONE = "Asia/Kolkata", "America/New_York", "UTC"
ZONE_NAMES = {
    **dict.fromkeys(("NSE", "BSE", "NFO", "BFO"), INDIA),
    **dict.fromkeys(("NYSE", "NASDAQ", "ARCA", "AMEX", "BATS"), NEW_YORK),
}  # other exchanges trade around the clock, in UTC
TICK_RULE_EXCHANGES = ("NSE", "BSE")  # these set the tick of a share by its price
YAHOO_SUFFIXES = {"NS": "NSE", "BO": "BSE"}  # what stands behind a ticker of Yahoo -> its exchange
OPENING_TIMES = {INDIA: time(9, 15), NEW_YORK: time(9, 30), UTC_ZONE: time(0, 0)}


def zone_name_of(exchange: str) -> str:
    """Return the name of an exchange's zone."""
    return ZONE_NAMES.get(exchange.upper(), UTC_ZONE)


def opening_of(exchange: str) -> time:
    """Return when an exchange opens, in its zone; midnight where it never closes."""
    return OPENING_TIMES[zone_name_of(exchange)]
