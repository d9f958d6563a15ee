"""One look at a daemon from outside: does it answer, and does it need a person; and is its market open."""

from __future__ import annotations

from pathlib import Path

from tradebot.clock import MINUTE
from tradebot.control.checkup import STORE, TRADES, check_status
from tradebot.control.client import send_request
from tradebot.errors import DaemonUnavailable, ExitCode, RequestRefused
from tradebot.markets.calendar import HoursClass
from tradebot.markets.market import HOME_MARKET
from tradebot.notify.watch import Look

EARLY_NS = 15 * MINUTE  # before the open a person can still mend it in time


def look_at_daemon(state_dir: Path) -> Look:
    """Return what `tradebot status --check` says. Tables that lag are no matter for a person at once."""
    try:
        found = check_status(send_request(state_dir, "GET", "/status"))
    except DaemonUnavailable as error:
        return Look(ExitCode.UNAVAILABLE, str(error))
    except RequestRefused as error:
        return Look(ExitCode.UNAVAILABLE, f"the daemon refuses to say how it stands: {error}")
    return Look(*(TRADES if found.code == STORE else found))


def is_market_open(now: int) -> bool:
    """Return whether `now` (wall ns) is in market hours or shortly before; True past the calendar's end."""
    day, calendar = HOME_MARKET.date_of(now), HOME_MARKET.calendar
    if not calendar.is_covered(day):
        return True
    session = calendar.session_on(day, HoursClass.CONTRACT)  # these close last
    return session is not None and session.opens_at - EARLY_NS <= now < session.closes_at
