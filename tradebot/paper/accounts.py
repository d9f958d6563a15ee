"""Names of paper accounts: PAPER-AB1234 for the venue's account AB1234, PAPER-AB1234-2 after its first reset.

The journal keeps the orders and positions of every account under its name. A reset account begins without a position,
so it needs a name under which the journal has none.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from tradebot.errors import ConfigError
from tradebot.exchange.event_log import read_event_log
from tradebot.paper.settings import PAPER_LOG

PAPER, SHADOW = "PAPER", "SHADOW"
OLD_LOG = re.compile(r"paper\.(?P<account>PAPER-.+)\.jsonl")  # a log that a reset moved aside


def paper_account_id(venue_account: str, log: Path, *, known: Collection[str] = ()) -> str:
    """Return the name of the paper account for an account of the venue.

    It is the one whose log goes on in `log`. Without a log it is the first name that is neither `known`, such as those
    in the journal, nor that of a log which a reset moved aside. Raises ConfigError where `log` belongs to another
    account of the venue, DataError or StateError where it cannot be read.
    """
    own = f"{PAPER}-{venue_account}"
    going_on = account_of_log(log)
    if going_on:
        if going_on != own and not re.fullmatch(rf"{re.escape(own)}-\d+", going_on):
            raise ConfigError(
                f"{log} is the paper account {going_on}, but the login is of {venue_account}: use another state"
                " directory, or begin a new paper account with `tradebot paper reset`"
            )
        return going_on
    taken = {*known, *reset_accounts(log.parent)}
    number = 1
    while (name := own if number == 1 else f"{own}-{number}") in taken:
        number += 1
    return name


def account_of_log(log: Path) -> str:
    """Return the account of an exchange's log, "" where there is no log or no session in it yet.

    Raises DataError or StateError where the log cannot be read.
    """
    if not log.exists():
        return ""
    return next((str(line["account"]) for line in read_event_log(log) if line.get("kind") == "session"), "")


def reset_accounts(state_dir: Path) -> list[str]:
    """Return the names of the paper accounts that were reset in a state directory, in the order of their names."""
    found = (OLD_LOG.fullmatch(path.name) for path in sorted(state_dir.glob("paper.*.jsonl")))
    return [match["account"] for match in found if match is not None]


def reset_account(state_dir: Path) -> tuple[str, Path] | None:
    """Move the paper account's log aside; return the account's name and the new place, None without an account.

    The caller holds the lock of the state directory. The next start begins a new account under the next name.
    """
    log = state_dir / PAPER_LOG
    account = account_of_log(log)
    if not account:
        log.unlink(missing_ok=True)
        return None
    aside = state_dir / f"paper.{account}.jsonl"
    assert not aside.exists(), f"{aside} was reset before"
    log.rename(aside)
    return account, aside
