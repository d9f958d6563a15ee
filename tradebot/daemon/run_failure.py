"""Logs the state of a run on a Unix signal, and the failure of a run as its last line."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tradebot.errors import ExitCode, TradebotError
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.run import DaemonFailed, ProcessSignalIgnored, StateShown

NO_FAILURE = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)


class RunState:
    """What the signals of a process reach: positions (symbol -> quantity) and status of a run, {} without a desk.

    `ask_to_reload` asks the run to read its config again.
    """

    def __init__(self) -> None:
        self.positions: Callable[[], dict[str, Any]] = dict
        self.status_snapshot: Callable[[], dict[str, Any]] = dict
        self.ask_to_reload: Callable[[], None] | None = None  # None while the daemon starts


@contextmanager
def log_failure(tell: EventListener) -> Iterator[RunState]:
    """Log as the last line, at critical, why a run could not start or continue, and which positions it leaves open."""
    run_state = RunState()
    try:
        yield run_state
    except NO_FAILURE:
        raise
    except BaseException as error:
        cause = root_cause(error)
        code = cause.exit_code if isinstance(cause, TradebotError) else ExitCode.UNEXPECTED
        failed = DaemonFailed(
            reason=str(cause) or type(cause).__name__,
            error=type(cause).__name__,
            exit_code=int(code),
            open_positions=run_state.positions(),
        )
        tell(failed)
        raise


def install_signal_handlers(tell: EventListener, run_state: RunState) -> None:
    """Handle signals that end a process by default.

    USR1 logs the state of the run, HUP reloads its config; USR2, and HUP during the start, are logged and ignored.
    """

    def show() -> None:
        tell(StateShown(picture=run_state.status_snapshot() or {"reason": "the daemon is starting"}))

    def ignore(name: str) -> None:
        tell(ProcessSignalIgnored(signal=name))

    def reload() -> None:
        if run_state.ask_to_reload is None:
            ignore("SIGHUP")
        else:
            run_state.ask_to_reload()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, show)
    loop.add_signal_handler(signal.SIGHUP, reload)
    loop.add_signal_handler(signal.SIGUSR2, ignore, "SIGUSR2")


def root_cause(error: BaseException) -> BaseException:
    """Return the first TradebotError in an exception group, else its first error of any kind."""
    leaves = list(_leaves(error))
    return next((leaf for leaf in leaves if isinstance(leaf, TradebotError)), leaves[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
