"""The verbs `notify test` and `notify watch`, as a person and a timer run them, against real receivers on loopback."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.notify.bot_server import CHAT, TOKEN, bot_server
from tests.notify.http_receiver import HttpReceiver, http_receiver
from tradebot.__main__ import run_command_line
from tradebot.cli.notify import daemon_look
from tradebot.clock import parse_iso
from tradebot.control.control_apis import ControlApis
from tradebot.control.operator_api import BadRequest
from tradebot.control.server import serve_control_socket
from tradebot.markets.market import HOME_MARKET
from tradebot.notify.watch import Look

CANARY = "canary-Hook-Secret-0001"
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "state").mkdir()


async def typed(*words: str) -> int:
    """Run the command line in a thread, as a process of its own would; it has a loop of its own."""
    return await asyncio.to_thread(run_command_line, list(words))


def set_up(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"TRADEBOT_{name}", str(value))


def write_config(text: str) -> None:
    Path("config.toml").write_text(text)
    Path("config.toml").chmod(0o600)


class Api:
    """Answers the control socket with a status that a test sets."""

    def __init__(self, **changes: Any) -> None:
        self.status: dict[str, Any] = {
            "state": "trading", "halts": [], "feed": {"is_stale": False, "down": {}}, "store": None,
            "session": {"is_open": True, "closes_at": None},
        } | changes  # fmt: skip

    def current_status(self) -> dict[str, Any]:
        if self.status.get("refuses"):
            raise BadRequest("no")
        return self.status


async def test_a_test_message_reaches_every_receiver(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    async with http_receiver() as one, http_receiver() as two, bot_server() as bot:
        set_up(monkeypatch, NOTIFY__URLS=f"{one.address} {two.address}", TELEGRAM__TOKEN=TOKEN,
               TELEGRAM__CHAT_ID=CHAT, TELEGRAM__SERVER=bot.address)  # fmt: skip
        assert await typed("notify", "test") == 0
        assert capsys.readouterr().out == "json 1: delivered\njson 2: delivered\ntelegram: delivered\n"
        for text in (*await one.messages(1), *await two.messages(1), bot.sent[0][1]):
            assert text.startswith("PAPER: test of alerts\n")


async def test_one_that_fails_is_named_and_ends_with_69(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    async with http_receiver() as one, http_receiver() as two:
        two.status = 500
        set_up(monkeypatch, NOTIFY__URLS=f"{one.address} {two.address}")
        assert await typed("notify", "test", "--json") == 69
        out = capsys.readouterr().out
        first, second = json.loads(out)
        assert (first["delivered"], second["delivered"]) == (True, False)
        assert "500" in second["reason"]
        assert CANARY not in out


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "there is no receiver of alerts: set notify.urls"),
        ({"NOTIFY__URLS": f"nosuch://{CANARY}"}, "notify.urls: address 1 of 1 is not known to apprise"),
    ],
)
async def test_without_a_receiver_it_says_what_to_set(
    settings: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    set_up(monkeypatch, **settings)
    assert await typed("notify", "test") == 78
    err = capsys.readouterr().err
    assert told in err
    assert CANARY not in err


async def watched(http: HttpReceiver, *words: str) -> list[str]:
    assert await typed("notify", "watch", "--state-dir", "state", "--always", *words) == 0
    return [body["title"] for body in http.bodies]


async def test_the_watch_tells_of_a_stopped_daemon_once_and_that_it_is_back(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with http_receiver() as http:
        set_up(monkeypatch, NOTIFY__URLS=http.address)
        silent, back = "PAPER: the daemon is SILENT", "PAPER: the daemon trades again"
        assert await watched(http) == [silent]
        assert "no daemon runs on state" in http.bodies[0]["message"]
        assert capsys.readouterr().out.startswith("69 no daemon runs on state")
        assert await watched(http) == [silent]
        assert "nothing to tell" in capsys.readouterr().out
        async with serve_control_socket(Path("state"), ControlApis(Api())):  # type: ignore[arg-type]
            assert await watched(http) == [silent, back]
            assert await watched(http) == [silent, back]


async def test_the_watch_tells_of_a_halt_and_of_a_start_that_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    async with http_receiver() as http:
        set_up(monkeypatch, NOTIFY__URLS=http.address)
        halted = Api(halts=[{"verb": "halt", "scope": "all", "reason": f"loss near {CANARY}"}])
        async with serve_control_socket(Path("state"), ControlApis(halted)):  # type: ignore[arg-type]
            await watched(http)
        starting = Api(state="starting")
        async with serve_control_socket(Path("state"), ControlApis(starting)):  # type: ignore[arg-type]
            await watched(http)
        lagging = Api(store={"trouble": "down", "behind": 5})  # trading goes on: nothing that cannot wait
        async with serve_control_socket(Path("state"), ControlApis(lagging)):  # type: ignore[arg-type]
            await watched(http)
        first, second, third = (f"{body['title']} {body['message']}" for body in http.bodies)
        assert "needs a person all: loss near ********" in first
        assert "the daemon is starting" in second
        assert "trades again" in third


async def test_what_no_receiver_took_is_told_at_the_next_look(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    async with http_receiver() as http:
        set_up(monkeypatch, NOTIFY__URLS=http.address)
        http.status = 503
        assert await typed("notify", "watch", "--state-dir", "state", "--always", "--json") == 69
        assert json.loads(capsys.readouterr().out)["told"] is False
        http.status = 200
        assert await watched(http) == ["PAPER: the daemon is SILENT"]


async def test_the_watch_tells_from_a_configuration_that_run_would_refuse(capsys: Captured) -> None:
    async with http_receiver() as http:
        write_config(f'[risk]\nmax_dayly_loss = 5\n[notify]\nurls = "{http.address}"\n')
        assert await watched(http) == ["PAPER: the daemon is SILENT"]
        assert CANARY not in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-30T08:59", False), ("2026-11-30T09:01", True), ("2026-11-30T12:00", True),
        ("2026-11-30T15:39", True), ("2026-11-30T15:41", False), ("2026-11-29T12:00", False),  # a Sunday
        ("2035-06-01T03:00", True),  # past the calendar's end
    ],
)  # fmt: skip
def test_market_hours_begin_shortly_before_the_open_and_end_with_the_last_close(moment: str, is_open: bool) -> None:
    assert daemon_look.is_market_open(parse_iso(moment, HOME_MARKET.tzinfo)) is is_open


async def test_outside_of_market_hours_the_watch_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_look, "is_market_open", lambda now: False)
    async with http_receiver() as http:
        set_up(monkeypatch, NOTIFY__URLS=http.address)
        assert await typed("notify", "watch", "--state-dir", "state") == 0
        assert not http.requests


def test_a_daemon_that_refuses_to_answer_counts_as_silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tradebot.errors import RequestRefused

    def refuse(*_: Any) -> dict[str, Any]:
        raise RequestRefused("no")

    monkeypatch.setattr(daemon_look, "send_request", refuse)
    assert daemon_look.look_at_daemon(tmp_path) == Look(69, "the daemon refuses to say how it stands: no")
