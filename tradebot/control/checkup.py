"""Whether a run needs a person, as one exit code and sentence for a cron job: read from the picture of `status`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Checkup(NamedTuple):
    """What `status --check` exits with, and why."""

    code: int
    sentence: str


HALTED, SESSION, FEED, CLOCK, NOT_TRADING, STORE, DISK = 10, 11, 12, 13, 14, 15, 16
# A verb of the picture's halts -> its code. Every other one keeps entries out until a person resumes.
EXIT_CODES = {"session lost": SESSION, "no books": SESSION, "clock": CLOCK, "disk": DISK}
URGENCY = (SESSION, DISK, FEED, CLOCK, HALTED, NOT_TRADING, STORE)  # of several the first decides
EXIT_CODES_HELP = (
    f"Exit codes: 0 trades; {SESSION} the login is lost or the venue's books cannot be read;"
    f" {DISK} the disk is too full to open anything; {FEED} quotes are stale in"
    f" market hours; {CLOCK} this machine's clock is not the venue's; {HALTED} halted or killed, of a symbol or"
    f" strategy too; {NOT_TRADING} starting or stopping; {STORE} the tables cannot be fed; 69 no daemon, or no answer."
    " Of several the first in this list decides."
)


def check_status(snapshot: Mapping[str, Any]) -> Checkup:
    """Return the most urgent of what is wrong with a run, by the picture `snapshot`; code 0 when nothing is."""
    troubles = [(EXIT_CODES.get(one["verb"], HALTED), f"{one['scope']}: {one['reason']}") for one in snapshot["halts"]]
    feed, store = snapshot["feed"], snapshot["store"]
    if feed["is_stale"] and snapshot["session"]["is_open"]:
        troubles.append((FEED, "; ".join(f"{source}: {why}" for source, why in feed["down"].items())))
    if snapshot["state"] != "trading":
        troubles.append((NOT_TRADING, f"the daemon is {snapshot['state']}"))
    if store is not None and store["trouble"]:
        troubles.append((STORE, f"the tables are {store['behind']} rows behind: {store['trouble']}"))
    if not troubles:
        return Checkup(0, "trading, nothing stands in the way of new positions")
    code, sentence = min(troubles, key=lambda trouble: URGENCY.index(trouble[0]))
    return Checkup(code, sentence)
