"""Takes up a changed config while the daemon runs: limits, alerts and the log level, whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from tradebot.config import Config
from tradebot.config.desk_settings import gate_limits
from tradebot.config.notify_sections import NotifySection
from tradebot.config.reload_plan import RELOADED_ALERTS, ReloadPlan, plan_reload
from tradebot.domain.messages import LimitsReloaded
from tradebot.errors import ConfigError, TradebotError
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.run import ConfigReloaded, ReloadRefused
from tradebot.ops.systemd import Notifier
from tradebot.trading.desk.account_view import AccountView


class ReloadHooks(NamedTuple):
    """What a reload uses of the run.

    `read_config` reads the settings as the start did; it raises ConfigError. `change_limits` returns once the desk has
    the limits and the row about them is on disk. `set_log_level` takes a name such as `debug`, `change_alerts` the
    section with the new choice and pace of alerts.
    """

    read_config: Callable[[], Config]
    change_limits: Callable[[LimitsReloaded], Awaitable[None]]
    set_log_level: Callable[[str], None]
    change_alerts: Callable[[NotifySection], None]


class ConfigReload:
    """Reloads the config of one run; `speed` is how many market seconds pass in one wall second."""

    def __init__(
        self,
        running: Config,
        hooks: ReloadHooks,
        account: AccountView,
        notifier: Notifier,
        *,
        speed: float,
        tell: EventListener,
    ) -> None:
        self._running, self._hooks, self._account, self._notifier = running, hooks, account, notifier
        self._speed, self._tell = speed, tell
        self._lock = asyncio.Lock()  # two reloads at once would each see the other's half
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Ask for a reload by `run_reloads`, as SIGHUP does; raised limits are not confirmed by it."""
        self._asked.set()

    async def run_reloads(self) -> None:
        """Reload whenever it is asked for, for ever; a refusal is told and ends nothing."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            with suppress(TradebotError):
                await self.reload()

    async def reload(self, *, is_confirmed: bool = False, is_trial: bool = False) -> dict[str, Any]:
        """Take up the changed settings and return what changed, as JSON values; with `is_trial` only say it.

        `is_confirmed` says that a person confirms raised limits. Raises TradebotError where nothing is taken up: the
        config is broken, or has a change that needs a restart, or raises a limit unconfirmed while a position or an
        order is open.
        """
        async with self._lock:
            self._notifier.notify_reloading()
            try:
                return await self._reload(is_confirmed=is_confirmed, is_trial=is_trial)
            except TradebotError as error:
                self._tell(ReloadRefused(reason=str(error)))
                raise
            finally:
                self._notifier.notify_ready()

    async def _reload(self, *, is_confirmed: bool, is_trial: bool) -> dict[str, Any]:
        wanted = await asyncio.to_thread(self._hooks.read_config)
        plan = plan_reload(self._running, wanted)
        if plan.unsafe:
            raise ConfigError(f"a restart is needed for {_joined(plan.unsafe)}; nothing was taken up")
        if plan.raised and not (is_confirmed or is_trial) and self._account.is_exposed():
            raise ConfigError(
                f"a position or an order is open, and this raises {_joined(plan.raised)}; nothing was taken up:"
                " say `tradebot reload --yes`, or wait until the account is flat"
            )
        if not is_trial:
            await self._take_up(plan, wanted)
        return {
            "changed": {} if is_trial else _as_json(plan.changes),
            "would_change": _as_json(plan.changes) if is_trial else {},
            "raised": [change.key for change in plan.raised],
        }

    async def _take_up(self, plan: ReloadPlan, wanted: Config) -> None:
        if any(change.key.startswith("risk.") for change in plan.changes):
            limits = msgspec.to_builtins(gate_limits(wanted, speed=self._speed))
            await self._hooks.change_limits(LimitsReloaded(limits=limits, order_notional=wanted.risk.order_notional))
        if wanted.log.level != self._running.log.level:
            self._hooks.set_log_level(wanted.log.level)
        if any(change.key in RELOADED_ALERTS for change in plan.changes):
            self._hooks.change_alerts(wanted.notify)
        self._running = wanted
        self._tell(ConfigReloaded(changes=[str(change) for change in plan.changes]))


def _joined(changes: tuple[Any, ...]) -> str:
    return "; ".join(map(str, changes))


def _as_json(changes: tuple[Any, ...]) -> dict[str, list[str]]:
    return {change.key: [str(change.before), str(change.after)] for change in changes}
