"""The tree of errors, named by what the caller must do; every exception the package raises on purpose is here.

TradebotError
├── ConfigError       print every problem as file:line:column, exit 78
├── DataError         a file or row from outside is bad: say which one, exit 65
├── StateError        the state directory or journal cannot be used: say why, exit 73
├── LinkLost          the link layer alone retries, with backoff
├── AccessDenied      stop trading, keep watching, tell the operator what to do, exit 77 at start
│   └── SessionLost   the venue does not know our login any more: open nothing until it does, exit 77 at start
├── OutcomeUnknown    a write may or may not have reached the venue: look it up, never resend
├── VenueUnavailable  the venue cannot be reached at start, exit 69
├── StoppedEarly      the operator stopped the daemon before it could begin: exit 0
├── ClusterAway       no scheduler or worker of the cluster answers: say what to start, exit 69
├── DaemonAway        no daemon answers the operator: say what works without one, exit 69
├── RequestRefused    the daemon refuses what the operator asked: say why, exit 2
└── InvariantBroken   our own books disagree: halt, exit 70

A refusal by the gate or by the venue is data (`Refused`), never an exception. Anything else that is raised is a bug and
ends the process; the supervisor restarts it and start-up reconciles.
"""

from __future__ import annotations


class ExitCode:
    """Process exit codes, the names of sysexits.h."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    DATA = 65
    UNAVAILABLE = 69
    INTERNAL = 70
    CANNOT_CREATE = 73
    TEMPORARY = 75
    NO_PERMISSION = 77
    CONFIG = 78
    INTERRUPTED = 130


class TradebotError(Exception):
    """Base of every error the package raises on purpose; its text is one sentence a user can act on."""

    exit_code = ExitCode.UNEXPECTED


class ConfigError(TradebotError):
    """The configuration is refused; with `is_list` the text is lines that are shown as they stand."""

    exit_code = ExitCode.CONFIG

    def __init__(self, text: str, *, is_list: bool = False) -> None:
        super().__init__(text)
        self.is_list = is_list


class DataError(TradebotError):
    """A data file (symbols, ticks, bars, strategy) is missing or malformed."""

    exit_code = ExitCode.DATA


class StateError(TradebotError):
    """The state directory or the journal in it cannot be created, locked or trusted."""

    exit_code = ExitCode.CANNOT_CREATE


class LinkLost(TradebotError):
    """A connection to a venue broke or went silent; `venues/link.py` reconnects."""

    exit_code = ExitCode.UNAVAILABLE


class AccessDenied(TradebotError):
    """The venue refuses our credentials or address; only a person can mend it."""

    exit_code = ExitCode.NO_PERMISSION


class LoginLost(AccessDenied):
    """The venue says that our login has ended; a person logs in again."""


class OutcomeUnknown(TradebotError):
    """A write was started and its outcome is not known; the order becomes UNKNOWN and is looked up."""

    exit_code = ExitCode.TEMPORARY


class VenueUnavailable(TradebotError):
    """The venue could not be reached within the configured tries."""

    exit_code = ExitCode.UNAVAILABLE


class StoppedEarly(TradebotError):
    """The operator stopped the daemon while it waited to begin."""

    exit_code = ExitCode.OK


class ClusterUnavailable(TradebotError):
    """The cluster that a sweep was to run on does not answer, or has no workers."""

    exit_code = ExitCode.UNAVAILABLE


class DaemonUnavailable(TradebotError):
    """No daemon answers on the control socket of the state directory."""

    exit_code = ExitCode.UNAVAILABLE


class RequestRefused(TradebotError):
    """The daemon will not do what the operator asked, in its own words."""

    exit_code = ExitCode.USAGE


class InvariantBroken(TradebotError):
    """The program's own books disagree with each other."""

    exit_code = ExitCode.INTERNAL
