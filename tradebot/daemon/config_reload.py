"""Takes up a changed config while the daemon runs: limits, parameters, alerts, the log level, whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from tradebot.config import Config
from tradebot.config.desk_settings import gate_limits
from tradebot.config.notify_sections import NotifySection
from tradebot.config.reload_plan import RELOADED_ALERTS, ReloadPlan, plan_reload
from tradebot.daemon.start_checks import load_strategies
from tradebot.domain.messages import LimitsReloaded
from tradebot.errors import ConfigError, RequestRefused, TradebotError
from tradebot.ops.events.event import EventListener
from tradebot.ops.events.run import ConfigReloaded, ReloadRefused
from tradebot.ops.systemd import Notifier
from tradebot.strategies.loading import StrategySpec
from tradebot.trading.analysis.changed_params import check_only_params
from tradebot.trading.desk.account_view import AccountView

MAX_ASKED = 16  # reloads that wait their turn; a person asks for one at a time


class ReloadHooks(NamedTuple):
    """What a reload uses of the run.

    `read_config` reads the settings as the start did; it raises ConfigError. `load_strategies` returns all strategies
    of changed settings, none where they are those that run, and raises what `load_changed_strategies` does.
    `change_params` and `change_limits` return once strategies and desk have them and the row about it is on disk; only
    the first may refuse, with RequestRefused. `set_log_level` takes a name such as `debug`, `change_alerts` the section
    with the new choice and pace of alerts.
    """

    read_config: Callable[[], Config]
    load_strategies: Callable[[Config], Sequence[StrategySpec]]
    change_params: Callable[[Sequence[StrategySpec]], Awaitable[None]]
    change_limits: Callable[[LimitsReloaded], Awaitable[None]]
    set_log_level: Callable[[str], None]
    change_alerts: Callable[[NotifySection], None]


class _AskedReload(NamedTuple):
    is_confirmed: bool = False
    is_trial: bool = False
    answer: asyncio.Future[dict[str, Any]] | None = None  # None for a signal, which gets none


class ConfigReload:
    """Reloads the config of one run; `speed` is how many market seconds pass in one wall second.

    While the run trades, the task of `run_reloads` does it. So one that has begun comes to its end, even if the caller
    waits no longer.
    """

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
        self._asked: asyncio.Queue[_AskedReload] = asyncio.Queue(MAX_ASKED)
        self._is_serving = self._has_signal = False  # whether a signal's reload waits that has not begun

    def ask(self) -> None:
        """Ask for a reload by `run_reloads`, as SIGHUP does; raised limits are not confirmed by it."""
        if not self._has_signal:  # one that waits reads the config as it is then
            with suppress(asyncio.QueueFull):
                self._asked.put_nowait(_AskedReload())
                self._has_signal = True

    async def run_reloads(self) -> None:
        """Reload whenever it is asked for, for ever; a refusal is told and ends nothing."""
        self._is_serving, asked = True, _AskedReload()
        try:
            while True:
                asked = await self._asked.get()
                self._has_signal = self._has_signal and asked.answer is not None
                try:
                    answer = await self._reload_alone(asked)
                except TradebotError as error:
                    _answer(asked, error)
                else:
                    _answer(asked, answer)
        finally:
            self._is_serving = False
            for unanswered in (asked, *(self._asked.get_nowait() for _ in range(self._asked.qsize()))):
                _answer(unanswered, RequestRefused("the run stops; the next start reads the config"))

    async def reload(self, *, is_confirmed: bool = False, is_trial: bool = False) -> dict[str, Any]:
        """Take up the changed settings and return what changed, as JSON values; with `is_trial` only say it.

        `is_confirmed` says that a person confirms raised limits. Raises TradebotError where nothing is taken up: the
        config is broken, or has a change that needs a restart, or raises a limit unconfirmed while a position or an
        order is open, or has parameters that the strategies cannot take now.
        """
        if not self._is_serving:
            return await self._reload_alone(_AskedReload(is_confirmed, is_trial))
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        await self._asked.put(_AskedReload(is_confirmed, is_trial, answer))
        return await answer

    async def _reload_alone(self, asked: _AskedReload) -> dict[str, Any]:
        async with self._lock:
            self._notifier.notify_reloading()
            try:
                return await self._reload(is_confirmed=asked.is_confirmed, is_trial=asked.is_trial)
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
        # In a thread, because it runs code of the strategies.
        strategies = await asyncio.to_thread(self._hooks.load_strategies, wanted) if plan.has_parameters else ()
        if not is_trial:
            await self._take_up(plan, wanted, strategies)
        return {
            "changed": {} if is_trial else _as_json(plan.changes),
            "would_change": _as_json(plan.changes) if is_trial else {},
            "raised": [change.key for change in plan.raised],
        }

    async def _take_up(self, plan: ReloadPlan, wanted: Config, strategies: Sequence[StrategySpec]) -> None:
        if strategies:  # first, because it may be refused, and then nothing has changed
            await self._hooks.change_params(strategies)
        if any(change.key.startswith("risk.") for change in plan.changes):
            limits = msgspec.to_builtins(gate_limits(wanted, speed=self._speed))
            await self._hooks.change_limits(LimitsReloaded(limits=limits, order_notional=wanted.risk.order_notional))
        if wanted.log.level != self._running.log.level:
            self._hooks.set_log_level(wanted.log.level)
        if any(change.key in RELOADED_ALERTS for change in plan.changes):
            self._hooks.change_alerts(wanted.notify)
        self._running = wanted
        self._tell(ConfigReloaded(changes=[str(change) for change in plan.changes]))


def load_changed_strategies(running: Sequence[StrategySpec], wanted: Config) -> Sequence[StrategySpec]:
    """Load the strategies of a changed config as a start does, and return them; none where they are those that run.

    Raises DataError or ConfigError as a start does, and ConfigError where a restart is needed.
    """
    strategies = load_strategies(wanted)
    check_only_params(running, strategies, wanted.bars.interval_ns)
    return () if strategies == list(running) else strategies


def _answer(asked: _AskedReload, answer: dict[str, Any] | TradebotError) -> None:
    if asked.answer is None or asked.answer.done():  # done: its caller waits no longer
        return
    if isinstance(answer, TradebotError):
        asked.answer.set_exception(answer)
    else:
        asked.answer.set_result(answer)


def _joined(changes: tuple[Any, ...]) -> str:
    return "; ".join(map(str, changes))


def _as_json(changes: tuple[Any, ...]) -> dict[str, list[str]]:
    return {change.key: change.texts for change in changes}
