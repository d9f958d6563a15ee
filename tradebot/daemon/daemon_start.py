"""The start of a daemon as seen from outside: the operator's access, the login that it may wait for, the supervisor."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tradebot.clock import SECOND, Clock
from tradebot.config import Config
from tradebot.control.login_api import LoginApi
from tradebot.control.start_api import StartApi
from tradebot.daemon.login.broker_login import BrokerLogin, BrokerLoginState
from tradebot.daemon.login.login_at_start import StartHooks
from tradebot.ops.systemd import Notifier


class DaemonStart:
    """Answers operator and supervisor until the run does.

    A start that waits for a login has reached READY: it is healthy, and its supervisor must neither end nor restart it.
    From then on the watchdog is fed here, as long as the event loop turns, until the run feeds it.
    """

    def __init__(
        self, config: Config, run_id: str, *, notifier: Notifier, clock: Clock, stopped: Callable[[], bool]
    ) -> None:
        self._config, self._run_id, self._notifier, self._clock = config, run_id, notifier, clock
        self._stopped, self._began_mono = stopped, clock.monotonic_ns()
        self._waiting: BrokerLogin | None = None
        self._beating: asyncio.Task[None] | None = None
        self.login_api = LoginApi()

    @property
    def needs_login(self) -> bool:
        """Return whether the start waits for a person to log in, which is as it should be."""
        return self._waiting is not None and self._waiting.state is BrokerLoginState.NEED_LOGIN

    def create_api(self, ask_to_stop: Callable[[str], None]) -> StartApi:
        """Return the operator's API of the start."""
        run = {
            "mode": self._config.mode_label,
            "run_id": self._run_id,
            "pid": os.getpid(),
            "venue": self._config.venue.name,
            "symbols": list(self._config.app.symbols),
        }
        return StartApi(
            run, login=lambda: self._waiting.as_fields() if self._waiting else None, ask_to_stop=ask_to_stop
        )

    def hooks(self, *, may_wait: bool) -> StartHooks:
        """Return what the opening of the venue tells; with `may_wait` False it does not wait for a login."""
        return StartHooks(
            on_step=self._notifier.extend_timeout,
            stopped=self._is_stopped,
            on_login=self._take_login,
            on_login_needed=self._wait_for_login,
            may_wait=may_wait,
        )

    @asynccontextmanager
    async def beats(self) -> AsyncIterator[None]:
        """Feed the supervisor's watchdog while a start goes on after READY, until `end_beats`."""
        async with asyncio.TaskGroup() as tasks:
            self._beating = tasks.create_task(self._beat(), name="start-beat")
            try:
                yield
            finally:
                self.end_beats()

    def end_beats(self) -> None:
        """Leave the watchdog to the run."""
        if self._beating is not None:
            self._beating.cancel()

    def _is_stopped(self) -> bool:
        # A run of limited time does not wait longer than that for a login or a venue.
        limit_s = self._config.app.stop_after_s
        waited_s = (self._clock.monotonic_ns() - self._began_mono) / SECOND
        return self._stopped() or (limit_s is not None and waited_s > limit_s)

    def _take_login(self, login: BrokerLogin) -> None:
        self.login_api.link, self.login_api.log_in = login.link_fields, login.log_in

    def _wait_for_login(self, login: BrokerLogin) -> None:
        notify = self._notifier.notify_ready if self._waiting is None else self._notifier.notify_status
        self._waiting = login
        notify(f"{self._config.mode_label.upper()}, NEED LOGIN: run `tradebot login {login.place.adapter.name}`")

    async def _beat(self) -> None:
        while (every_s := self._notifier.watchdog_every_s) is not None:
            if self._waiting is not None:
                self._notifier.notify_watchdog()
            await self._clock.sleep(every_s / 2)
