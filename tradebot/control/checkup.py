"""Whether a run needs a person, as one exit code and sentence for a cron job; reads the snapshot of `status`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tradebot.errors import ExitCode


class Checkup(NamedTuple):
    """The exit code of `status --check`, and the reason."""

    code: int
    sentence: str


TRADES = Checkup(0, "trading, nothing stands in the way of new positions")
HALTED, SESSION, FEED, CLOCK, NOT_TRADING, STORE, DISK = 10, 11, 12, 13, 14, 15, 16
# Verb of a row in the snapshot's `halts` -> exit code. All other verbs block entries until a person resumes.
EXIT_CODES = {"session lost": SESSION, "no books": SESSION, "clock": CLOCK, "disk": DISK}
URGENCY = (SESSION, DISK, FEED, CLOCK, HALTED, NOT_TRADING, STORE)  # most urgent first
EXIT_CODES_HELP = (
    f"Exit codes: 0 trades; {SESSION} the login is lost or the venue's books cannot be read;"
    f" {DISK} the disk is too full to open anything; {FEED} quotes are stale in"
    f" market hours; {CLOCK} this machine's clock is not the venue's; {HALTED} halted or killed, of a symbol or"
    f" strategy too; {NOT_TRADING} starting or stopping; {STORE} the tables cannot be fed;"
    f" {ExitCode.UNAVAILABLE} no daemon, or no answer."
    " Of several the first in this list decides."
)


def check_status(snapshot: Mapping[str, Any]) -> Checkup:
    """Return the most urgent problem in the status snapshot of a run, code 0 without a problem."""
    if "feed" not in snapshot:
        return _check_start(snapshot)
    troubles = [(EXIT_CODES.get(one["verb"], HALTED), f"{one['scope']}: {one['reason']}") for one in snapshot["halts"]]
    feed, store = snapshot["feed"], snapshot["store"]
    if feed["is_stale"] and snapshot["session"]["is_open"]:
        troubles.append((FEED, "; ".join(f"{source}: {why}" for source, why in feed["down"].items())))
    if snapshot["state"] != "trading":
        troubles.append((NOT_TRADING, f"the daemon is {snapshot['state']}"))
    if store is not None and store["trouble"]:
        troubles.append((STORE, f"the tables are {store['behind']} rows behind: {store['trouble']}"))
    if not troubles:
        return TRADES
    code, sentence = min(troubles, key=lambda trouble: URGENCY.index(trouble[0]))
    return Checkup(code, sentence)


def _check_start(snapshot: Mapping[str, Any]) -> Checkup:
    # A start has neither feed nor tables yet.
    login = snapshot["login"]
    if login is not None and login["state"] == "NEED_LOGIN":
        return Checkup(SESSION, f"it waits for a login: {login['reason']}; run `tradebot login {snapshot['venue']}`")
    return Checkup(NOT_TRADING, f"the daemon is {snapshot['state']}")
