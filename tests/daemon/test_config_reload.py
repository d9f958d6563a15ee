"""A reload takes up a changed config whole or not at all, and says which; systemd hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.told import Told
from tradebot.config import Config
from tradebot.config.notify_sections import NotifySection
from tradebot.daemon.config_reload import ConfigReload, ReloadHooks, load_changed_strategies
from tradebot.daemon.start_checks import load_strategies
from tradebot.domain.messages import LimitsReloaded
from tradebot.errors import ConfigError, DataError, RequestRefused
from tradebot.strategies.loading import StrategySpec


class Site:
    """A run whose config the test changes; it keeps what the reload does to it."""

    def __init__(self, *, is_exposed: bool = False) -> None:
        self.wanted: Callable[[], Config] = Config
        self.limits: list[LimitsReloaded] = []
        self.strategies: Sequence[StrategySpec] = load_strategies(Config())
        self.changes = 0  # how often the strategies got parameters
        self.takes = asyncio.Event()  # while it is clear the strategies take none
        self.takes.set()
        self.refusal: RequestRefused | None = None  # what they refuse parameters with
        self.levels: list[str] = []
        self.alerts: list[NotifySection] = []
        self.datagrams: list[str] = []
        self.told = Told()
        self.ended = asyncio.Event()
        notifier: Any = SimpleNamespace(
            notify_reloading=lambda: self.datagrams.append("RELOADING=1"),
            notify_ready=self._end,
        )
        account: Any = SimpleNamespace(is_exposed=lambda: is_exposed)

        async def change_limits(limits: LimitsReloaded) -> None:
            self.limits.append(limits)

        async def change_params(strategies: Sequence[StrategySpec]) -> None:
            await self.takes.wait()
            if self.refusal is not None:
                raise self.refusal
            self.strategies, self.changes = tuple(strategies), self.changes + 1

        def load(wanted: Config) -> Sequence[StrategySpec]:
            return load_changed_strategies(self.strategies, wanted)

        hooks = ReloadHooks(
            lambda: self.wanted(), load, change_params, change_limits, self.levels.append, self.alerts.append
        )
        self.reload = ConfigReload(Config(), hooks, account, notifier, speed=1.0, tell=self.told)

    def _end(self) -> None:
        self.datagrams.append("READY=1")
        self.ended.set()


def changed(**sections: Any) -> Callable[[], Config]:
    return lambda: Config(**sections)


async def test_a_lowered_limit_and_a_log_level_are_taken_up_at_once() -> None:
    site = Site(is_exposed=True)
    site.wanted = changed(
        risk={"max_daily_loss": Decimal(1000), "order_notional": Decimal(500)}, log={"level": "debug"}
    )
    answer = await site.reload.reload()
    assert answer["changed"]["risk.max_daily_loss"] == ["2500", "1000"]
    assert [(row.limits["max_daily_loss"], row.order_notional) for row in site.limits] == [("1000", Decimal(500))]
    assert site.levels == ["debug"]
    assert site.datagrams == ["RELOADING=1", "READY=1"]
    (told,) = site.told.of("config_reloaded")
    assert "risk.max_daily_loss: 2500 -> 1000" in told["changes"]
    assert (await site.reload.reload())["changed"] == {}, "it is the run's config now"
    assert len(site.limits) == 1


async def test_which_events_become_alerts_and_at_what_pace_is_taken_up_at_once() -> None:
    site = Site(is_exposed=True)
    section = {"level": "warning", "add": ["order_rejected"], "window_s": 60, "warnings_per_hour": 2}
    site.wanted = changed(notify=section)
    answer = await site.reload.reload()
    assert list(answer["changed"]) == [f"notify.{name}" for name in sorted(section)]
    assert [(alerts.level, alerts.add, alerts.warnings_per_hour) for alerts in site.alerts] == [
        ("warning", ("order_rejected",), 2)
    ]
    site.wanted = changed(notify=section, log={"level": "debug"})
    await site.reload.reload()
    assert (len(site.alerts), len(site.limits), site.levels) == (1, 0, ["debug"]), "each part only where it changed"


@pytest.mark.parametrize(("exposed", "confirmed", "taken"), [(True, False, 0), (True, True, 1), (False, False, 1)])
async def test_a_limit_is_raised_where_nothing_is_open_or_a_person_confirms(
    exposed: bool, confirmed: bool, taken: int
) -> None:
    site = Site(is_exposed=exposed)
    site.wanted = changed(risk={"max_daily_loss": Decimal(9000), "max_open_orders": 5})
    if taken:
        await site.reload.reload(is_confirmed=confirmed)
    else:
        with pytest.raises(ConfigError, match=r"this raises risk.max_daily_loss: 2500 -> 9000; nothing was taken up"):
            await site.reload.reload(is_confirmed=confirmed)
    assert len(site.limits) == taken
    assert len(site.told.of("reload_refused")) == 1 - taken


async def test_a_change_that_needs_a_restart_refuses_the_whole() -> None:
    site = Site()
    site.wanted = changed(risk={"max_daily_loss": Decimal(1000)}, app={"symbols": ["SBIN"]})
    with pytest.raises(ConfigError, match=r"a restart is needed for app\.symbols"):
        await site.reload.reload()
    assert not site.limits
    assert site.datagrams[-1] == "READY=1"
    site.wanted = changed(risk={"max_daily_loss": Decimal(1000)})
    assert (await site.reload.reload())["changed"], "the old config was still the run's"


async def test_a_broken_config_leaves_the_old_one() -> None:
    site = Site()

    def broken() -> Config:
        raise ConfigError("config.toml:3: max_daily_loss is no number")

    site.wanted = broken
    with pytest.raises(ConfigError):
        await site.reload.reload()
    assert [row["reason"] for row in site.told.of("reload_refused")] == ["config.toml:3: max_daily_loss is no number"]
    assert not site.limits


async def test_a_trial_only_says_what_would_change() -> None:
    site = Site(is_exposed=True)
    site.wanted = changed(risk={"max_daily_loss": Decimal(9000)})
    answer = await site.reload.reload(is_trial=True)
    assert (answer["would_change"], answer["raised"]) == (
        {"risk.max_daily_loss": ["2500", "9000"]}, ["risk.max_daily_loss"],
    )  # fmt: skip
    assert not site.limits


async def test_signals_that_come_before_a_reload_begins_are_one() -> None:
    site = Site()
    site.wanted = changed(risk={"max_daily_loss": Decimal(1000)})
    for _ in range(3):
        site.reload.ask()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(site.reload.run_reloads())
        for changes in ([1], [1, 0]):
            async with asyncio.timeout(5):
                await site.ended.wait()
            await asyncio.sleep(0.05)
            assert [len(row["changes"]) for row in site.told.of("config_reloaded")] == changes
            site.ended.clear()
            site.reload.ask()  # a later signal is heard
        running.cancel()


async def test_a_signal_that_is_refused_ends_nothing() -> None:
    site = Site()
    site.wanted = changed(app={"symbols": ["SBIN"]})
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(site.reload.run_reloads())
        for count in (1, 2):
            site.ended.clear()
            site.reload.ask()
            async with asyncio.timeout(5):
                await site.ended.wait()
            assert len(site.told.of("reload_refused")) == count
        running.cancel()


def with_params(name: str = "ema_cross", *, order_notional: int = 500, **params: Any) -> Callable[[], Config]:
    """Return a config with parameters of a strategy and, by default, a lower limit beside them."""
    return changed(strategy=[{"name": name, "params": params}], risk={"order_notional": Decimal(order_notional)})


async def test_changed_parameters_are_taken_up_with_the_limits_beside_them() -> None:
    site = Site(is_exposed=True)
    site.wanted = with_params(fast=5)
    answer = await site.reload.reload()
    assert answer["changed"] == {
        "risk.order_notional": ["10000", "500"], "strategy.1.params.fast": ["not set", "5"],
    }  # fmt: skip
    assert [spec.params["fast"] for spec in site.strategies] == [5]
    assert len(site.limits) == 1
    assert "strategy.1.params.fast: not set -> 5" in site.told.of("config_reloaded")[0]["changes"]
    site.wanted = with_params(fast=5, slow=26)  # which is its default: the same strategy
    assert (await site.reload.reload())["changed"] == {"strategy.1.params.slow": ["not set", "26"]}
    assert site.changes == 1


@pytest.mark.parametrize(
    "params", [{"fast": 1000}, {"fast": "many"}, {"quick": 3}, {"fast": 30, "slow": 20}], ids=lambda p: " ".join(p)
)
async def test_wrong_parameters_are_refused_with_the_sentence_of_a_start(params: dict[str, Any]) -> None:
    site = Site()
    site.wanted = with_params(**params)
    with pytest.raises(ConfigError) as of_a_start:
        load_strategies(site.wanted())
    for is_trial in (True, False):
        with pytest.raises(ConfigError) as error:
            await site.reload.reload(is_trial=is_trial)
        assert str(error.value) == str(of_a_start.value)
    assert (site.changes, site.limits) == (0, [])
    assert [row["reason"] for row in site.told.of("reload_refused")] == [str(of_a_start.value)] * 2


async def test_where_the_strategies_cannot_take_parameters_now_nothing_is_taken_up() -> None:
    site = Site()
    site.wanted = with_params(fast=5)
    site.refusal = RequestRefused("the strategies are not warmed up yet")
    with pytest.raises(RequestRefused, match="not warmed up"):
        await site.reload.reload()
    assert (site.changes, site.limits) == (0, [])
    site.refusal = None
    assert len((await site.reload.reload())["changed"]) == 2


async def test_a_trial_changes_no_parameters() -> None:
    site = Site()
    site.wanted = with_params(fast=5)
    assert "strategy.1.params.fast" in (await site.reload.reload(is_trial=True))["would_change"]
    assert (site.changes, site.limits) == (0, [])


async def test_a_file_that_changed_since_the_start_is_read_by_a_restart_only(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    text = "from tradebot.strategies.strategy import Param, Strategy\nclass Mine(Strategy):\n    n = Param(3)\n"
    file.write_text(text + "    def decide(self, bar, now, position):\n        pass\n")
    site, name = Site(), f"{file}:Mine"
    site.strategies = load_strategies(with_params(name)())
    file.write_text(text + "    def decide(self, bar, now, position):\n        return None\n")
    with pytest.raises(ConfigError, match="a restart is needed for Mine: its file has changed since the start"):
        load_changed_strategies(site.strategies, with_params(name, n=4)())
    file.write_text(text + "    def decide(:\n")
    with pytest.raises(DataError, match="invalid syntax"):
        load_changed_strategies(site.strategies, with_params(name, n=4)())


async def test_a_reload_that_has_begun_comes_to_its_end_when_its_caller_has_left() -> None:
    site = Site()
    site.wanted = with_params(fast=5)
    site.takes.clear()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(site.reload.run_reloads())
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await site.reload.reload()
        site.ended.clear()
        site.takes.set()
        await site.ended.wait()
        assert (site.changes, len(site.limits)) == (1, 1)
        assert (await site.reload.reload())["changed"] == {}
        running.cancel()


async def test_a_reload_that_waits_when_the_run_stops_is_answered() -> None:
    site = Site()
    site.wanted = with_params(fast=5)
    site.takes.clear()

    async def refused() -> None:
        with pytest.raises(RequestRefused, match="the run stops; the next start reads the config"):
            await site.reload.reload()

    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(site.reload.run_reloads())
        await asyncio.sleep(0)
        waiting = [tasks.create_task(refused()) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert site.datagrams == ["RELOADING=1"]
        running.cancel()
        await asyncio.wait(waiting)
    assert (site.changes, site.limits) == (0, [])
