"""Events of the daemon's process: its loop, its supervisor, what strategies print, and the log itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from tradebot.ops.events.event import (
    DEBUG,
    ERROR,
    INFO,
    WARNING,
    Action,
    Count,
    Event,
    Reason,
    Seconds,
    Strategy,
    Times,
)


class HeadNotKept(Event, frozen=True):
    """The journal's last hash could not be written beside it: a journal cut off later would not be noticed."""

    level = WARNING
    do = "Look at the rights and the room of the state directory."
    reason: Reason


class ApiOpened(Event, frozen=True):
    """The operator's API is answered over HTTP on this machine too, for programs that have the token."""

    level = INFO
    do = "Nothing."
    address: Annotated[str, "host:port of loopback"]
    token_file: Annotated[str, "the file that holds the token"]


class EventReadersDropped(Event, frozen=True):
    """Readers of the API's event stream took nothing for ten seconds, and were closed; trading does not wait for them.

    `missed` are events that readers of this run were too slow for, since its start.
    """

    level = WARNING
    do = "Look at the program that reads; it may read on from its last id. Repeated ones are counted, not told."
    times: Times
    missed: Annotated[int, "events that were forgotten before a reader came to them"]


class WatchdogWithheld(Event, frozen=True):
    """A part of the daemon has been stuck for longer than it may take, so the supervisor's watchdog is not fed."""

    level = ERROR
    do = "Nothing if a supervisor restarts it; else restart it, and look at what `stuck` names."
    stuck: Annotated[Any, "the parts that do not move"]
    action: Action = "the supervisor will start it again"


class LoopDelayed(Event, frozen=True):
    """The event loop was held for longer than 50 ms now and then: quotes and orders waited for that time."""

    level, was = WARNING, "loop_late"
    do = "If it goes on, give the machine more cores or the daemon fewer symbols; `worst_ms` says how bad it is."
    times: Times
    worst_ms: Annotated[int, "milliseconds, the longest"]


class LoopStalled(Event, frozen=True):
    """The event loop has not moved for a second: nothing is guarded in that time."""

    level = ERROR
    do = "The stack says where it hangs; a strategy that runs inline (analysis.workers = 0) is the usual cause."
    seconds: Seconds
    stack: Annotated[Sequence[str], "file:line function, the innermost last"]


class ExceptionUncaught(Event, frozen=True):
    """Something in the daemon failed where no part of it listens: a bug, and the run ends for it."""

    level, was = ERROR, "unhandled"
    do = "Report it with its trace; the next start recovers from the journal."
    reason: Reason
    error: Annotated[str, "the exception"]
    trace: Annotated[Sequence[str], "the innermost frames"]


class ConnectionBroken(Event, frozen=True):
    """A connection broke below its owner, who notices by itself: the venue's or a reader's doing."""

    level, was = DEBUG, "unhandled"
    do = "Nothing."
    reason: Reason
    error: Annotated[str, "the exception"]
    trace: Annotated[Sequence[str], "the innermost frames"]


class StdoutCaptured(Event, frozen=True):
    """A strategy or a library printed a line, here or in a worker process."""

    level, was = INFO, "strategy_output"
    do = "Nothing; it is what the strategy's author wanted to see."
    text: Annotated[str, "the line"]
    cut: Annotated[bool | None, "true where it was longer than 4 KiB"] = None
    strategy: Annotated[str | None, "the strategy, where there is only one"] = None


class StderrCaptured(Event, frozen=True):
    """A strategy or a library wrote a line to standard error, here or in a worker process."""

    level, was = WARNING, "strategy_output"
    do = "Read it: tracebacks and warnings of the strategy's own code come here."
    text: Annotated[str, "the line"]
    cut: Annotated[bool | None, "true where it was longer than 4 KiB"] = None
    strategy: Annotated[str | None, "the strategy, where there is only one"] = None


class OutputDropped(Event, frozen=True):
    """A strategy printed more than 20 lines a second: the rest was dropped."""

    level, was = WARNING, "strategy_output_dropped"
    do = "Let the strategy print less."
    lines: Count
    strategy: Annotated[Strategy | None, "the strategy, where there is only one"] = None


class LogLinesDropped(Event, frozen=True):
    """The reader of standard output was too slow, and lines of the log were lost; the journal has every order."""

    level = WARNING
    do = "Look at the disk or program that takes the log (journald: RateLimitBurst)."
    count: Annotated[int, "lines"]


class LibraryWarned(Event, frozen=True):
    """A library logged a warning."""

    level, was = WARNING, "library_message"
    do = "Nothing at once; many of them are worth a look."
    message: Annotated[str, "what it said; the field `logger` names it"]


class LibraryFailed(Event, frozen=True):
    """A library logged an error."""

    level, was = ERROR, "library_message"
    do = "Read it with the lines around it: what it means for trading is told by an event of its own."
    message: Annotated[str, "what it said; the field `logger` names it"]
