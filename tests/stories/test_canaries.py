"""Canaries: a real run with a distinct text for each secret, a bad day of it, and a hunt for every one of them.

They are looked for in the log, the journal and its WAL, the state folder, a backup, what the API and every verb print,
the alerts, and the command lines and environments of all processes. Only the files and the address that are made to
hold one may have it.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.notify.bot_server import CHAT, TOKEN
from tests.patient_trader import EAGER
from tests.stories.canary_hunt import HOLDERS, Hunt, Receivers, asked, receivers
from tests.stories.kite_person import API_KEY, API_SECRET, free_port
from tests.stories.live_rehearsal import KEYS, Rehearsal
from tests.stories.real_process import Daemon, Said
from tradebot.__main__ import run_command_line
from tradebot.control.api_paths import EVENTS_PATH, LIVE_PATH, METRICS_PATH, OPENAPI_PATH, READY_PATH
from tradebot.control.routes import ROUTES

pytestmark = pytest.mark.timeout(90)
API_TOKEN = "canary-Api-Token-0123456789-0123456789-ab"
DB_PASSWORD, HOOK_PASSWORD, BEAT_PATH = "canary-Db-Pass-0001", "canary-Hook-Pass-0001", "canary-beat-uuid-0001"
HOOK_PATH, WRONG_LOGIN = "canary-Hook-Secret-0001", "canaryWrongRequestToken0001"
KILL_KEY, KILL_TOKEN = "canary-Kill-Key-0001", "canary-Kill-Token-0001"
DSN = "postgresql://trader:{password}@127.0.0.1:{port}/trades"
LOGIN_PATH = "/api/v1/login"  # answers the address of the broker's login page, which names the app by its key
MORE = """
[api]
listen = "127.0.0.1:{api}"
[store]
dsn = "{dsn}"
[notify]
heartbeat_url = "http://127.0.0.1:{hook}/{beat}"
level = "info"
window_s = 1
[log]
level = "debug"
"""
# What an operator may get wrong in the lines that hold secrets: text in the file -> what stands there instead.
SLIPS = {
    'dsn = "postgresql': 'dsn = postgresql"',
    "postgresql://": "mysql://",
    'heartbeat_url = "http': 'heartbeat_url = "no address http',
    "heartbeat_url": "heartbeat_uri",
    'mode = "live"': 'mode = "paper"',
}
VERBS = (
    "status", "status --json", "pnl", "signals", "risk", "session", "strategies", "symbols", "orders", "trades",
    "positions", "bars RELIANCE", "verify", "events", "db status", "api token",
)  # fmt: skip
CONFIG_VERBS = ("config show", "config show --origin", "config check", "doctor", "doctor --json", "notify test")
READS = (
    *(route.path for route in ROUTES if route.method == "GET"), "/api/v1/bars?symbol=RELIANCE", EVENTS_PATH, LIVE_PATH,
    READY_PATH, METRICS_PATH, OPENAPI_PATH,
)  # fmt: skip
WRONG_REQUESTS: tuple[tuple[str, str, dict[str, str] | None], ...] = (
    ("/api/v1/status", "wrong", None),
    (f"/api/v1/orders?token={API_TOKEN}&limit=many", API_TOKEN, None),
    (f"/api/v1/{API_TOKEN}", API_TOKEN, None),
    ("/api/v1/halt", API_TOKEN, {"token": API_TOKEN}),
    ("/api/v1/login", API_TOKEN, {"text": WRONG_LOGIN}),
)


class BadDay:
    """A live run whose file and environment hold a canary for every secret; `printed` is what its operator was told."""

    def __init__(self, start: Any, said: Callable[..., str], folder: Path, told: Receivers) -> None:
        self._said, self.folder, self._told = said, folder, told
        self.state, self._api = folder / "state", free_port()
        self._rehearsal = Rehearsal(start, folder, trader=EAGER)
        self.state.mkdir(mode=0o700)
        (self.state / "api.token").touch(0o600)
        (self.state / "api.token").write_text(API_TOKEN)
        dsn = DSN.format(password=DB_PASSWORD, port=free_port())
        more = MORE.format(api=self._api, dsn=dsn, hook=told.http.port, beat=BEAT_PATH)
        self._text = self._rehearsal.config.read_text().replace("workers = 0", "workers = 2") + more
        self._rehearsal.config.chmod(0o600)
        self._rehearsal.config.write_text(self._text)
        hook = f"json://me:{HOOK_PASSWORD}@127.0.0.1:{told.http.port}/{HOOK_PATH}"
        self.environment = KEYS | {
            "TRADEBOT_NOTIFY__URLS": hook, "TRADEBOT_TELEGRAM__TOKEN": TOKEN, "TRADEBOT_TELEGRAM__CHAT_ID": str(CHAT),
            "TRADEBOT_TELEGRAM__SERVER": told.bot.address, "TRADEBOT_KILL__API_KEY": KILL_KEY,
            "TRADEBOT_KILL__ACCESS_TOKEN": KILL_TOKEN, "TRADEBOT_APP__STATE_DIR": str(self.state),
        }  # fmt: skip
        self._rehearsal.open_exchange("2026-11-23T09:20", speed=120)
        self.daemon: Daemon = start("--config", str(self._rehearsal.config), "--yes", env=self.environment)
        self.printed = list[tuple[str, str]]()

    def say(self, *words: str) -> str:
        """Give a verb and keep what it prints."""
        self.printed.append((" ".join(words), text := self._said(*words)))
        return text

    def log_in(self) -> Hunt:
        """Log in with a wrong token and a right one, trade, and return the hunt for all that is secret by then."""
        place = ("--state-dir", str(self.state))
        self.daemon.event("login_needed")
        self.say("login", "kite", f"http://127.0.0.1/?request_token={WRONG_LOGIN}", *place)
        request_token, address = self._rehearsal.person.press_login()
        self._said("login", "kite", address, *place)
        self.daemon.event("order_filled")
        saved = json.loads((self.state / "login-kite.json").read_text())
        return Hunt(
            api_key=API_KEY, api_secret=API_SECRET, access_token=saved["keys"]["access_token"], api_token=API_TOKEN,
            hook_path=HOOK_PATH, hook_password=HOOK_PASSWORD, beat_path=BEAT_PATH, db_password=DB_PASSWORD,
            chat_token=TOKEN.partition(":")[2], wrong_login=WRONG_LOGIN, request_token=request_token, kill_key=KILL_KEY,
            kill_token=KILL_TOKEN,
        )  # fmt: skip

    def go_wrong(self) -> None:
        """Ask nonsense, reload bad configs and a good one, and halt."""
        for text in ("/status", "/login"):
            self._told.bot.write(text, date=round(time.time()))
        for path, token, body in WRONG_REQUESTS:
            content = None if body is None else json.dumps(body).encode()
            self.printed.append((f"{path} refused", asked(self._api, path, token=token, body=content)))
        config = self._rehearsal.config
        for was, slip in SLIPS.items():
            assert was in self._text
            config.write_text(self._text.replace(was, slip, 1))
            self.daemon.process.send_signal(signal.SIGHUP)
            self.daemon.event("reload_refused")
            self.say("reload", "--state-dir", str(self.state))
            for verb in ("config show", "config check"):
                self.say(*verb.split(), "--config", str(config))
        config.write_text(f"{self._text}[risk]\nmax_open_orders = 19\n")
        self.daemon.process.send_signal(signal.SIGHUP)
        assert self.daemon.event("config_reloaded")["changes"] == ["risk.max_open_orders: 20 -> 19"]
        self.say("halt", "lunch", "--state-dir", str(self.state))
        self.daemon.event("halt_raised")

    def read_all(self) -> None:
        """Read all that the daemon answers, and give every verb that lists something."""
        for path in READS:
            self.printed.append((path, asked(self._api, path, token=API_TOKEN)))
        for verb in VERBS:
            self.say(*verb.split(), "--state-dir", str(self.state))
        for verb in CONFIG_VERBS:
            self.say(*verb.split(), "--config", str(self._rehearsal.config))
        order = f"{self._rehearsal.status()['run_id']}00001"
        assert order in self.say("why", order, "--state-dir", str(self.state))

    def move_out(self) -> Path:
        """Back the state up, and return the folder that is restored of the backup."""
        backup, restored = str(self.folder / "backup"), self.folder / "restored"
        self.say("backup", backup, "--state-dir", str(self.state))
        self.say("restore", backup, "--state-dir", str(restored))
        assert not [name for name in HOLDERS if (restored / name).exists()], "a backup holds no secret"
        assert (restored / "journal.sqlite3").is_file()
        return restored

    def end(self) -> Said:
        """End the run and replay it."""
        ended = self.daemon.stop(30)
        assert ended.code == 0, ended.errors
        self.say("replay", str(self.state / "journal.sqlite3"))
        return ended


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a verb in this process; returns all that it printed. It must know its options."""

    def give(*words: str) -> str:
        capsys.readouterr()
        run_command_line(list(words))
        printed = capsys.readouterr()
        assert not printed.err.startswith("Usage:"), printed.err
        return printed.out + printed.err

    return give


def test_no_secret_is_found_anywhere_after_a_bad_day(
    start: Any, said: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receivers() as told:
        day = BadDay(start, said, tmp_path, told)
        for name, value in day.environment.items():  # the operator's shell has it as well
            monkeypatch.setenv(name, value)
        hunt = day.log_in()
        day.go_wrong()
        day.read_all()
        hunt.search_processes(day.daemon.process.pid)
        hunt.search_folder(day.state)  # with its WAL
        restored = day.move_out()
        ended = day.end()
    for folder in (day.state, restored, Path(os.environ["XDG_RUNTIME_DIR"])):
        hunt.search_folder(folder)
    for place, text in day.printed:
        hunt.search(place, text, except_for="api_key" if place == LOGIN_PATH else "")
    hunt.search("log", json.dumps(ended.lines))
    hunt.search("standard error", ended.errors)
    hunt.search("alerts", told.texts())
    assert not hunt.found, "\n".join(hunt.found)
    names = {line["event"] for line in ended.lines}
    assert names >= {"store_lost", "login_rejected", "order_filled", "halt_raised", "chat_command_answered"}
    assert len(told.bot.sent) > 1
    assert len(told.http.bodies) > 1
    assert hunt.places > 80
