"""Events of the login at the broker: needed, accepted, about to end, refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from tradebot.ops.events.event import ERROR, INFO, WARNING, Action, Event, Reason

Ends = Annotated[str, "the venue's time at which the login ends at the latest"]


class LoginNeeded(Event, frozen=True):
    """The broker does not accept the login that the daemon has: it waits for a new one and opens nothing."""

    level = WARNING
    do = "Log in on this machine: tradebot login, and the venue's name. No restart and no resume is needed."
    venue: Annotated[str, "the venue"]
    reason: Reason
    action: Action = "opens nothing until a login; goes on by itself afterwards"


class LoginAccepted(Event, frozen=True):
    """The broker accepts the login."""

    level = INFO
    do = "Nothing. With consent other than `consent`, shares in the demat account need an authorisation before a sale."
    venue: Annotated[str, "the venue"]
    account: Annotated[str, "the account at the venue"]
    came_from: Annotated[str, "`login`: typed by a person now; `saved`: of before a restart; `setting`: a given token"]
    ends: Ends | None = None
    consent: Annotated[str, "the venue's word on sales out of the demat account"] | None = None


class LoginEndAnnounced(Event, frozen=True):
    """The login ends within hours, as it does each day."""

    level = WARNING
    do = "Log in after it has ended and before the market opens: tradebot login, and the venue's name."
    venue: Annotated[str, "the venue"]
    ends: Ends


class LoginRejected(Event, frozen=True):
    """A login was tried and the broker, or a check of ours, refused it; the login of before counts on."""

    level = WARNING
    do = "Do what the reason says; a request token is valid once and for minutes."
    venue: Annotated[str, "the venue"]
    reason: Reason


class SavedLoginIgnored(Event, frozen=True):
    """The file of the saved login cannot be used."""

    level = WARNING
    do = "Log in again; the file is written anew then. Look at its rights if it was changed by another program."
    reason: Reason


class LoginNotSaved(Event, frozen=True):
    """The login counts, but it could not be written to disk: the next start needs another one."""

    level = WARNING
    do = "Look at the disk and the rights of the state directory."
    reason: Reason


class RightsLacked(Event, frozen=True):
    """The account may not trade what this run is to trade: the venue would refuse each of its orders."""

    level = ERROR
    do = "Have the segment or the product activated at the broker, or change the symbols or `execution.product`."
    missing: Annotated[Sequence[str], "exchanges and products that the account does not have"]


class DematConsentLacked(Event, frozen=True):
    """Shares may not leave the demat account without the owner's authorisation of the day: a sale of them is refused.

    That includes what a GTT order sells when it triggers, so a stop of a delivery position protects nothing.
    """

    level = WARNING
    do = "Sign the DDPI once at the broker, or authorise the sales of each day in its app before you rely on a stop."
    consent: Annotated[str, "the venue's word on sales out of the demat account"]


class MarketDataDenied(Event, frozen=True):
    """The broker accepts the login and refuses its market data: the plan of the app does not contain them."""

    level = ERROR
    do = "Subscribe to the venue's plan with market data, or name the key of another app; see the guide to going live."
    reason: Reason
    action: Action = "goes on without quotes: nothing is opened"
