"""Alerts around a run: from any thread, to the last event; a receiver that hangs ends nothing; secrets stay inside."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.notify.bot_server import CHAT, TOKEN, bot_server
from tests.notify.http_receiver import HttpReceiver, http_receiver
from tests.told import Told
from tests.until import until
from tradebot.clock import SECOND, ManualClock, WallClock
from tradebot.config import Config
from tradebot.config.notify_sections import NotifySection
from tradebot.control.login_api import LoginApi
from tradebot.control.operator_api import BadRequest
from tradebot.control.server import ControlApis
from tradebot.daemon.alerting import open_alerting
from tradebot.daemon.run_failure import root_cause
from tradebot.daemon.start_checks import start_problems
from tradebot.errors import DataError
from tradebot.markets.market import HOME_MARKET
from tradebot.notify import alert_desk
from tradebot.notify.alert_group import AlertGroup
from tradebot.notify.alert_text import AlertMessage, AlertWriter
from tradebot.ops.events.bus import EventBus
from tradebot.ops.events.desk import HaltRaised, IncidentRaised
from tradebot.ops.events.run import CautionRaised, DaemonFailed

CANARY = "canary-Hook-Secret-0001"
HALT = HaltRaised(reason=f"told {TOKEN}", scope="all")
FAILED = DaemonFailed(reason="disk", error="OSError", exit_code=1, open_positions={})


def config_of(tmp_path: Path, **sections: dict[str, Any]) -> Config:
    return Config(app={"state_dir": tmp_path}, **sections)  # type: ignore[arg-type]


def telegram_at(address: str) -> dict[str, Any]:
    return {"token": TOKEN, "chat_id": CHAT, "server": address}


async def test_events_of_every_thread_and_the_last_one_reach_every_receiver(tmp_path: Path) -> None:
    bus = EventBus()
    async with http_receiver() as http, bot_server() as bot:
        config = config_of(tmp_path, notify={"urls": http.address}, telegram=telegram_at(bot.address))
        async with open_alerting(config, bus, clock=WallClock(), mode="live") as alerting:
            await asyncio.to_thread(bus.emit_event, HALT)
            (text,) = await http.messages(1)
            assert text.startswith("LIVE: ERROR halt raised")
            assert "told ********" in text
            alerting.follow_market(ManualClock(1_764_563_400 * SECOND), HOME_MARKET)
            bus.emit_event(FAILED)
        assert "10:00:00 IST CRITICAL daemon failed" in (await http.messages(2))[1]
        assert len(bot.sent) == 2
        assert TOKEN not in str(bot.sent)


async def test_a_reload_chooses_other_alerts_and_keeps_what_waits(tmp_path: Path) -> None:
    bus = EventBus()
    caution = CautionRaised(reason="the clock is apart")
    async with http_receiver() as http:
        config = config_of(tmp_path, notify={"urls": http.address, "window_s": 3600})
        async with open_alerting(config, bus, clock=WallClock(), mode="live") as alerting:
            bus.emit_event(HALT)
            await http.messages(1)
            bus.emit_event(caution)
            bus.emit_event(IncidentRaised(reason="a fill that is not ours"))
            alerting.change_settings(NotifySection(level="warning", leave_out=("halt_raised",), window_s=1))
            bus.emit_event(HALT)
            bus.emit_event(caution)
            (_, second) = await http.messages(2)
        assert "a fill that is not ours" in second
        assert second.count("the clock is apart") == 1
        assert "halt raised" not in second


async def test_a_reload_without_a_receiver_changes_nothing(tmp_path: Path) -> None:
    async with open_alerting(config_of(tmp_path), EventBus(), clock=WallClock(), mode="live") as alerting:
        alerting.change_settings(NotifySection(level="info"))


async def test_a_receiver_that_hangs_holds_up_a_stop_for_a_few_seconds_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alert_desk, "SEND_REST_S", 0.2)
    bus, told = EventBus(), Told()
    bus.subscribe(told)
    async with http_receiver() as http:
        http.hangs = True
        async with open_alerting(
            config_of(tmp_path, notify={"urls": http.address}), bus, clock=WallClock(), mode="paper"
        ):
            bus.emit_event(HALT)
        assert told.of("alerts_not_delivered") == [
            {"level": "warning", "receiver": "json 1", "events": {"halt_raised": 1}}
        ]


def stumble(self: AlertWriter, group: AlertGroup) -> AlertMessage:
    raise KeyError("a bug")


async def test_a_bug_in_alerts_ends_that_part_alone_and_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AlertWriter, "write_alert", stumble)
    bus, told = EventBus(), Told()
    bus.subscribe(told)
    async with (
        http_receiver() as http,
        open_alerting(config_of(tmp_path, notify={"urls": http.address}), bus, clock=WallClock(), mode="paper"),
    ):
        bus.emit_event(HALT)
        await until(lambda: "alerts_stopped" in told.names)
    assert "KeyError" in told.of("alerts_stopped")[0]["reason"]


async def fail_beside(config: Config, bus: EventBus) -> None:
    async with open_alerting(config, bus, clock=WallClock(), mode="live"):
        bus.emit_event(FAILED)
        raise DataError("the run ends with an error")


async def test_the_failure_of_a_run_leaves_as_an_alert_and_goes_on(tmp_path: Path) -> None:
    async with http_receiver() as http:
        with pytest.raises(BaseExceptionGroup) as raised:
            await fail_beside(config_of(tmp_path, notify={"urls": http.address}), EventBus())
        assert isinstance(root_cause(raised.value), DataError)
        assert [body["title"] for body in http.bodies] == ["LIVE: CRITICAL daemon failed"]


async def test_without_settings_nothing_is_opened(tmp_path: Path) -> None:
    bus = EventBus()
    async with open_alerting(config_of(tmp_path), bus, clock=WallClock(), mode="paper") as alerting:
        assert bus._listeners == ()
        assert len(asyncio.all_tasks()) == 1
        assert alerting.current_stall() is None


class Api:
    """An operator's API that refuses until it is told to answer, and may hang."""

    hangs = False

    def current_status(self) -> dict[str, Any]:
        return {"mode": "paper", "state": "starting", "venue": "kite", "run_id": "T1", "halts": [], "login": None}

    async def halt(self, body: dict[str, Any]) -> dict[str, Any]:
        if self.hangs:
            await asyncio.Event().wait()
        raise BadRequest("the daemon is not trading yet", status=409)

    resume = flatten = stop = halt


async def test_the_chat_asks_the_api_of_the_run_and_answers_what_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tradebot.daemon import chat_operator

    monkeypatch.setattr(chat_operator, "CONFIRMED_WITHIN_S", 0.1)
    now_s = WallClock().wall_ns() // SECOND
    api = Api()
    async with bot_server() as bot:
        config = config_of(tmp_path, telegram=telegram_at(bot.address))
        async with open_alerting(config, EventBus(), clock=WallClock(), mode="paper") as alerting:
            bot.write("/status", date=now_s)
            assert "just starting" in (await bot.answers(1))[0]
            alerting.apis = ControlApis(api, LoginApi())  # type: ignore[arg-type]
            bot.write("/halt", date=now_s)
            assert (await bot.answers(2))[1] == "Refused: the daemon is not trading yet"
            bot.write("/login", date=now_s)
            assert (await bot.answers(3))[2].startswith("Refused: this run has no login")
            api.hangs = True
            bot.write("/halt", date=now_s)
            assert "not confirmed within 0.1 s; it may still take effect" in (await bot.answers(4))[3]


def test_a_start_is_refused_where_the_extra_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tradebot.notify import apprise_receiver

    monkeypatch.setattr(apprise_receiver, "find_spec", lambda name: None)
    config = config_of(tmp_path, notify={"urls": f"json://127.0.0.1:1/{CANARY}"})
    problems = start_problems(config, now=WallClock().wall_ns())
    assert [(key, sentence) for key, sentence in problems if key[0] == "notify"] == [
        (("notify", "urls"), "needs apprise; run pip install 'tradebot[notify]'")
    ]


async def run_daemon(tmp_path: Path, http: HttpReceiver, bot_address: str) -> bytes:
    """Run the daemon as a process of its own for some seconds and return all that it wrote."""
    settings = {
        "NOTIFY__URLS": http.address, "NOTIFY__LEVEL": "info", "NOTIFY__WINDOW_S": "1",
        "NOTIFY__HEARTBEAT_URL": f"http://127.0.0.1:{http.port}/canary-beat-uuid-0001", "TELEGRAM__TOKEN": TOKEN,
        "TELEGRAM__CHAT_ID": str(CHAT), "TELEGRAM__SERVER": bot_address,
    }  # fmt: skip
    environment = os.environ | {f"TRADEBOT_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "tradebot", "run", "--for", "5s", "--log-format", "json", "--log-level", "debug"]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said


@pytest.mark.parametrize("is_up", [True, False], ids=["up", "refusing"])
async def test_a_run_tells_its_day_and_shows_no_secret_anywhere(tmp_path: Path, is_up: bool) -> None:
    async with http_receiver() as http, bot_server() as bot:
        http.status = 200 if is_up else 500
        if not is_up:
            for call in ("getUpdates", "sendMessage") * 20:
                bot.errors.append((call, 401, {}))
        said = await run_daemon(tmp_path, http, bot.address)
        texts = [f"{body['title']}\n{body['message']}" for body in http.bodies] + [text for _, text in bot.sent]
        if is_up:
            assert http.gets >= 1
            assert any("day summarized" in text for text in texts)
            assert all(text.startswith("PAPER: ") for text in texts)
            assert b"alerts_delayed" not in said
        else:
            assert b'"event":"alerts_delayed"' in said
            assert b'"event":"heartbeat_missed"' in said
    kept = b"".join(path.read_bytes() for path in sorted((tmp_path / "state").iterdir()) if path.is_file())
    for secret in (b"canary", TOKEN.encode(), TOKEN.partition(":")[2].encode()):
        assert secret not in said
        assert secret not in kept
        assert secret not in "".join(texts).encode()
