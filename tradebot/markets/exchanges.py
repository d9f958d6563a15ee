"""The time zone of each exchange, and its opening time in that zone."""

from __future__ import annotations

from datetime import time

INDIA, NEW_YORK, UTC_ZONE = "Asia/Kolkata", "America/New_York", "UTC"
# Every other exchange trades around the clock, in UTC.
ZONE_NAMES = {
    **dict.fromkeys(("NSE", "BSE", "NFO", "BFO"), INDIA),
    **dict.fromkeys(("NYSE", "NASDAQ", "ARCA", "AMEX", "BATS"), NEW_YORK),
}
TICK_RULE_EXCHANGES = ("NSE", "BSE")  # the tick size of a share depends on its price
YAHOO_SUFFIXES = {"NS": "NSE", "BO": "BSE"}  # suffix of a Yahoo ticker -> exchange
OPENING_TIMES = {INDIA: time(9, 15), NEW_YORK: time(9, 30), UTC_ZONE: time(0, 0)}


def zone_name_of(exchange: str) -> str:
    """Return the name of an exchange's time zone."""
    return ZONE_NAMES.get(exchange.upper(), UTC_ZONE)


def opening_of(exchange: str) -> time:
    """Return the opening time of an exchange in its zone, or midnight where it never closes."""
    return OPENING_TIMES[zone_name_of(exchange)]
