"""The tree of errors, named by the reaction they require. Every exception that the package raises on purpose is here.

TradebotError
├── ConfigError         print every problem as file:line:column, exit 78
├── DataError           a file or row from outside is bad: say which one, exit 65
├── StateError          the state directory or the journal cannot be used: say why, exit 73
├── LinkLost            only the link layer retries, with backoff
├── AccessDenied        stop trading, keep watching, tell the operator what to do; exit 77 at start
│   ├── LoginLost       the venue no longer accepts our login: open nothing until it does; a start waits for a login
│   ├── LoginRefused    a request token is used up or not one: log in again
│   └── KeysRefused     the key or the secret is wrong: only the configuration mends it; exit 77 at start
├── OutcomeUnknown      a write may or may not have reached the venue: look it up, never send it again
├── VenueUnavailable    the venue cannot be reached at start: exit 69
├── StoppedEarly        the operator stopped the daemon before it could begin: exit 0
├── ClusterUnavailable  no scheduler or worker of the cluster answers: say what to start, exit 69
├── DaemonUnavailable   no daemon answers the operator: say what works without one, exit 69
├── RequestRefused      the daemon refuses the operator's request: say why, exit 2
└── InvariantBroken     our own books disagree: halt, exit 70

A refusal by the gate or by the venue is data (`Refused`), never an exception. Any other exception is a bug and ends the
process; the supervisor restarts it, and the start reconciles.
"""

from __future__ import annotations


class ExitCode:
    """The exit codes of the process, named as in sysexits.h."""

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
    """The parent of every error that the package raises on purpose. Its text is one sentence a user can act on."""

    exit_code = ExitCode.UNEXPECTED


class ConfigError(TradebotError):
    """The configuration is invalid. With `is_list` the text is several lines, printed unchanged."""

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
    """A connection to a venue broke or fell silent; `venues/link.py` reconnects."""

    exit_code = ExitCode.UNAVAILABLE


class AccessDenied(TradebotError):
    """The venue refuses our credentials or our address; only a person can fix it."""

    exit_code = ExitCode.NO_PERMISSION


class LoginLost(AccessDenied):
    """The venue says that our login has ended; a person must log in again."""


class LoginRefused(AccessDenied):
    """The venue refuses the request token of a login; a new one must be fetched in the browser."""


class KeysRefused(AccessDenied):
    """The venue says that our key or our secret is wrong; only a change of the configuration helps."""


class OutcomeUnknown(TradebotError):
    """A write was started and its outcome is unknown; the order becomes UNKNOWN until the venue's lists show it."""

    exit_code = ExitCode.TEMPORARY


class VenueUnavailable(TradebotError):
    """The venue could not be reached within the configured number of tries."""

    exit_code = ExitCode.UNAVAILABLE


class StoppedEarly(TradebotError):
    """The operator stopped the daemon while it was waiting to begin."""

    exit_code = ExitCode.OK


class ClusterUnavailable(TradebotError):
    """The cluster for a sweep does not answer or has no workers."""

    exit_code = ExitCode.UNAVAILABLE


class DaemonUnavailable(TradebotError):
    """No daemon answers on the control socket of the state directory."""

    exit_code = ExitCode.UNAVAILABLE


class RequestRefused(TradebotError):
    """The daemon refuses the operator's request; the text is the daemon's own."""

    exit_code = ExitCode.USAGE


class InvariantBroken(TradebotError):
    """The daemon's own books contradict each other."""

    exit_code = ExitCode.INTERNAL
