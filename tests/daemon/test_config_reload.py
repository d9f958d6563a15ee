"""A reload takes up a changed config whole or not at all, and says which; systemd hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from tests.told import Told
from tradebot.config import Config
from tradebot.config.notify_sections import NotifySection
from tradebot.daemon.config_reload import ConfigReload, ReloadHooks
from tradebot.domain.messages import LimitsReloaded
from tradebot.errors import ConfigError


class Site:
    """A run whose config the test changes; it keeps what the reload does to it."""

    def __init__(self, *, is_exposed: bool = False) -> None:
        self.wanted: Callable[[], Config] = Config
        self.limits: list[LimitsReloaded] = []
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

        hooks = ReloadHooks(lambda: self.wanted(), change_limits, self.levels.append, self.alerts.append)
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
