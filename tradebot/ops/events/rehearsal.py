"""Events of what is not real: the embedded exchange, the faults of a rehearsal, and the days that `simulate` plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from tradebot.ops.events.event import ERROR, INFO, WARNING, Event, Reason, Seconds

Struck = Annotated[Mapping[str, int], "fault -> how often it struck"]


class ExchangeOpened(Event, frozen=True):
    """The embedded exchange serves on loopback."""

    level, flat = INFO, "addresses"
    do = "Nothing."
    addresses: Annotated[Mapping[str, str], "`rest`, `ticker` and the like: where its protocol is served"]
    speed: Annotated[float, "market seconds a second"]
    log: Annotated[str, "the file of its own record"]


class LiveRehearsed(Event, frozen=True):
    """The venue's addresses are of this machine: the whole path of a real venue, against an exchange, without money."""

    level = WARNING
    do = "Nothing; for real trading the addresses of the venue's section must be those of the venue."
    address: Annotated[str, "where the exchange listens"]
    market_time: Annotated[str, "its time of the market now"]
    speed: Annotated[float, "market seconds a second"]


class ExchangeClockLost(Event, frozen=True):
    """A rehearsal: the exchange does not tell its time; the market's time stands still until it does."""

    level = WARNING
    do = "Start the exchange again, for the same or the next day."
    reason: Reason


class ExchangeClockMoved(Event, frozen=True):
    """A rehearsal: the exchange tells its time again, or it has jumped, as over a night that was left out."""

    level = INFO
    do = "Nothing."
    market_time: Annotated[str, "the market's time now"]
    by_s: Annotated[float, "market seconds by which it jumped forward"]


class RehearsalStarted(Event, frozen=True):
    """The embedded exchange commits faults from now on."""

    level, was = WARNING, "rehearsal"
    do = "Nothing; you asked for it."
    seed: Annotated[int, "that draws them"]
    faults: Annotated[Any, "which ones"]
    until_s: Annotated[float, "seconds until the last one"] | None = None


class FaultStruck(Event, frozen=True):
    """The embedded exchange committed a fault."""

    level, was, flat = WARNING, "fault", "strike"
    do = "Watch what the daemon does about it."
    strike: Annotated[Mapping[str, Any], "`name`, `where`, `n` (at which occasion), `ids`, `does`, and what it hit"]


class FaultsHealed(Event, frozen=True):
    """The faults of the rehearsal are over."""

    level = WARNING
    do = "Watch that the daemon gets well: feed, books, halts."
    struck: Struck


class FaultsEnded(Event, frozen=True):
    """A simulated day: its faults are over."""

    level, was = INFO, "faults_over"
    do = "Nothing."
    struck: Struck


class NightFallen(Event, frozen=True):
    """A simulated day: the exchange closes, and opens as another day."""

    level, was = WARNING, "night"
    do = "Nothing."
    daemon: Annotated[str, "what becomes of the daemon over night"]


class OperatorActed(Event, frozen=True):
    """A simulated day: its operator gave a command."""

    level, was, flat = WARNING, "operator", "body"
    do = "Nothing."
    verb: Annotated[str, "the command"]
    body: Annotated[Mapping[str, str], "its `scope`, `reason` or `id`"]


class LoginAttempted(Event, frozen=True):
    """A simulated day: its person has logged the daemon in, or has tried to."""

    level = WARNING
    do = "Nothing."
    way: Annotated[str, "how, such as with a token that was used, or while the daemon is killed"]
    is_accepted: Annotated[bool, "whether the daemon took the login"]


class DaemonKilled(Event, frozen=True):
    """A simulated day: the daemon was killed between two events."""

    level = WARNING
    do = "Nothing."
    events: Annotated[int, "of the simulated machine so far"]


class LifeEnded(Event, frozen=True):
    """A simulated day: the daemon ended with an error and is started again."""

    level, was = ERROR, "daemon_failed"
    do = "Nothing; the verdict says whether it was right."
    reason: Reason


class BooksAgreed(Event, frozen=True):
    """A simulated day: after its faults the books of daemon and exchange agree."""

    level, was = INFO, "books_agree"
    do = "Nothing."
    after_s: Annotated[Seconds, "seconds after the last fault"]


class BooksDisagreed(Event, frozen=True):
    """A simulated day: the books of daemon and exchange do not agree in the end, or the daemon halted."""

    level, was = ERROR, "books_differ"
    do = "Play the seed again with --keep and look at what differs."
    is_answering: Annotated[bool, "whether the daemon answers"]
    differences: Annotated[Sequence[str], "what differs"]
    in_doubt: Annotated[Sequence[str], "orders in doubt"]
    held: Annotated[Sequence[str], "what keeps entries out and is over by itself"]
    halts: Annotated[Sequence[str], "why it is halted"]
    ended: Annotated[str, "why the daemon is gone, empty while it is there"]
