"""Runs the checks beside each other, each in a thread of its own: a slow or broken one neither hides nor delays others.

A name look-up, a TLS handshake and a database have time limits of their own, but not one of all of them can be ended
from outside. So a check that is late is left to itself and said; its thread ends with the process.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from tradebot.clock import SECOND, Clock
from tradebot.doctor.finding import Finding, red
from tradebot.errors import TradebotError

Check = Callable[[], Iterable[Finding]]
WITHIN_S = 20.0  # wall seconds for all checks together


def examine(checks: Mapping[str, Check], *, clock: Clock, within_s: float = WITHIN_S) -> list[Finding]:
    """Run all checks at the same time and return their findings in the order of `checks`, after at most `within_s`."""
    running = {name: _RunningCheck(name, check) for name, check in checks.items()}
    deadline = clock.monotonic_ns() + int(within_s * SECOND)
    found: list[Finding] = []
    for name, one in running.items():
        one.join(max(0.0, (deadline - clock.monotonic_ns()) / SECOND))
        found += one.findings or [
            red(
                name, f"gave no answer within {within_s:g} s", "run it again; what hangs is named by the other findings"
            )
        ]
    return found


def one_at_a_time(lock: threading.Lock, check: Check) -> Check:
    """Return a check that waits for the others with this lock: those that load the same strategies, for instance."""

    def waiting() -> Iterable[Finding]:
        with lock:
            return list(check())

    return waiting


class _RunningCheck(threading.Thread):
    # A daemon thread, because the process must not wait for a check that hangs. `findings` is empty until it is over.

    def __init__(self, name: str, check: Check) -> None:
        super().__init__(name=f"doctor-{name}", daemon=True)
        self._check, self._check_name = check, name
        self.findings: list[Finding] = []
        self.start()

    def run(self) -> None:
        try:
            found = list(self._check())
        except TradebotError as error:
            found = [red(self._check_name, str(error), "mend what the sentence names")]
        except OSError as error:
            found = [red(self._check_name, f"cannot be looked at: {error}", "mend what the sentence names")]
        except Exception as error:
            found = [
                red(
                    self._check_name,
                    f"the check itself failed: {error!r}",
                    "report this; the other checks are not hurt",
                )
            ]
        self.findings = found
