"""The systemd unit: what it says, and what systemd's own tools say about it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tradebot.errors import ConfigError
from tradebot.ops import systemd_unit

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def rendered(**changes: object) -> str:
    arguments = {
        "executable": [sys.executable, "-m", "tradebot"],
        "config": Path("/etc/tradebot/config.toml"),
        "symbols": "RELIANCE,M&M",
        "user": None,
        "credentials": Path("/etc/tradebot/credentials"),
        "keys": ("kite__api_key", "kite__access_token"),
    }
    return systemd_unit.render_unit(**(arguments | changes))  # type: ignore[arg-type]


def values(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(f"{key}=")]


def test_the_unit_starts_the_installed_command() -> None:
    text = rendered(executable=["/opt/trade bot/bin/tradebot"])

    assert values(text, "ExecStart") == [
        '"/opt/trade bot/bin/tradebot" run --config /etc/tradebot/config.toml --symbols "RELIANCE,M&M"'
    ]
    assert values(text, "Type") == ["notify"]
    assert values(text, "KillMode") == ["mixed"]
    assert values(text, "OOMPolicy") == ["continue"]
    assert "78" in values(text, "RestartPreventExitStatus")[0].split()
    assert values(text, "ReadWritePaths") == ["%S/tradebot"]
    assert values(text, "LoadCredential")[0] == "kite__api_key:/etc/tradebot/credentials/kite__api_key"


@pytest.mark.parametrize(
    "line",
    ["NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict", "PrivateDevices=yes", "UMask=0077",
     "MemoryDenyWriteExecute=yes", "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", "LimitCORE=0",
     "StateDirectoryMode=0700"],
)  # fmt: skip
def test_the_unit_gives_away_nothing_it_does_not_need(line: str) -> None:
    assert line in rendered().splitlines()


def test_the_unit_runs_as_nobody_or_as_the_named_user() -> None:
    assert values(rendered(), "DynamicUser") == ["yes"]
    assert values(rendered(user="trader"), "User") == ["trader"]
    assert not values(rendered(user="trader"), "DynamicUser")


def test_an_installation_below_home_stays_readable() -> None:
    assert values(rendered(executable=["/home/a/bin/tradebot"]), "ProtectHome") == ["read-only"]
    assert values(rendered(executable=["/usr/bin/tradebot"]), "ProtectHome") == ["yes"]


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("plain", "plain"),
        ("a b", '"a b"'),
        ("100%", "100%%"),
        ("$HOME", '"$$HOME"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("", '""'),
    ],
)
def test_words_are_quoted_for_a_unit(word: str, quoted: str) -> None:
    assert systemd_unit.quote_argument(word) == quoted


def test_a_credential_path_is_written_as_systemd_reads_it(tmp_path: Path) -> None:
    text = rendered(credentials=Path("/etc/my keys/100%"))
    assert "LoadCredential=kite__api_key:/etc/my keys/100%%/kite__api_key" in text.splitlines()
    for path in ("relative/keys", "/etc/keys\n", "/etc/keys\x07"):
        with pytest.raises(ConfigError):
            rendered(credentials=Path(path))


def test_the_unit_of_a_live_configuration_is_asked_nothing() -> None:
    assert values(rendered(is_live=True), "ExecStart")[0].endswith(" --yes")
    assert "--yes" not in values(rendered(), "ExecStart")[0]


def test_only_what_may_mend_by_trying_again_is_started_again() -> None:
    assert values(rendered(), "RestartPreventExitStatus") == ["2 65 77 78"]


@pytest.mark.parametrize("changes", [{"symbols": "A\nExecStart=/bin/sh"}, {"user": "root; x"}])
def test_text_that_would_break_out_of_its_line_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        rendered(**changes)


@needs_systemd
@pytest.mark.parametrize("user", [None, "trader"])
def test_systemd_takes_the_unit_without_a_warning(tmp_path: Path, user: str | None) -> None:
    path = tmp_path / "tradebot.service"
    path.write_text(rendered(user=user))

    done = subprocess.run([str(ANALYZE), "verify", str(path)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_the_unit_hardened(tmp_path: Path) -> None:
    path = tmp_path / "tradebot.service"
    path.write_text(rendered())

    done = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", "--threshold=15", "--no-pager", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-500:] + done.stderr
