"""The settings of alerts and chat: names checked with a suggestion, addresses never shown, secrets known by value."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradebot.config import load_config, secret_keys
from tradebot.config.document import plain_values, render_toml
from tradebot.config.known_secrets import known_secrets
from tradebot.errors import ConfigError

HOOK = "json://user:pass-Canary1@hooks.example.test/services/T0AAAA/canary-Part-0001?token=canary%2DQuery-2"
BOT = "424242:AAcanary-Telegram_bot-Token0000001"
BEAT = "https://hc.example.test/canary-beat-0001"


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "config.toml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    return str(refused.value)


def test_an_unknown_event_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    told = refusal(tmp_path, '[notify]\nadd = ["order_rejectd"]\nleave_out = ["alerts_stopped", "library_failed"]\n')
    assert "notify.add: order_rejectd is no event, did you mean order_rejected?" in told
    assert "notify.leave_out: alerts_stopped is about alerts themselves" in told


def test_settings_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    told = refusal(
        tmp_path,
        '[notify]\nadd = ["halt_ended"]\nleave_out = ["halt_ended"]\nwindow_s = 60.0\nlongest_s = 30.0\n'
        f'[telegram]\ntoken = "{BOT}"\nserver = "http://example.test"\n',
    )
    assert "notify.leave_out: halt_ended is in notify.add, too" in told
    assert "notify.window_s: is 60, more than longest_s (30)" in told
    assert "telegram.chat_id: is missing" in told
    assert "telegram.server: must start with https://" in told
    assert "canary" not in told


def test_what_is_no_address_is_refused_without_being_shown(tmp_path: Path) -> None:
    told = refusal(tmp_path, f'[notify]\nurls = "{HOOK} canary-no-address"\nheartbeat_url = "canary-beat"\n')
    assert "number 2 is none" in told
    assert "heartbeat_url: should be an address" in told
    assert "canary" not in told.lower()


def test_addresses_may_be_a_list_and_lists_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[notify]\nurls = ["{HOOK}", "json://b/"]\n')
    path.chmod(0o600)
    monkeypatch.setenv("TRADEBOT_NOTIFY__ADD", "halt_ended, order_rejected")
    notify = load_config(path).notify
    assert notify.urls.get_secret_value().split() == [HOOK, "json://b/"]
    assert notify.add == ("halt_ended", "order_rejected")


def test_addresses_come_as_credential_files_and_are_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in (
        ("notify__urls", f"{HOOK}\njson://b/\n"),
        ("notify__heartbeat_url", BEAT),
        ("telegram__token", BOT),
    ):
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("TRADEBOT_TELEGRAM__CHAT_ID", "-77")
    monkeypatch.chdir(tmp_path)
    config = load_config()
    assert config.notify.urls.get_secret_value().split()[0] == HOOK
    assert config.telegram.chat_id == -77
    shown = f"{render_toml(config)} {plain_values(config)} {config!r}"
    assert "canary" not in shown.lower()
    assert {"notify.urls", "notify.heartbeat_url", "telegram.token"} <= set(secret_keys())

    known = known_secrets(config)
    for secret in (HOOK, BOT, BEAT, "pass-Canary1", "canary-Part-0001", "canary-Query-2", "canary-beat-0001",
                   "AAcanary-Telegram_bot-Token0000001"):  # fmt: skip
        assert secret in known
    # Masking these would hide half of the log.
    assert not {"services", "hooks.example.test", "json", "token", "424242"} & set(known)


def test_a_secret_in_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f'[notify]\nurls = "{HOOK}"\n')
    path.chmod(0o644)
    with pytest.raises(ConfigError, match=r"notify\.urls: is a secret in a file that others can read"):
        load_config(path)
