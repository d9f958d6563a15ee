"""`service print` in a shell: the unit runs what this shell would run, or it is said what is in the way."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tradebot.__main__ import run_command_line
from tradebot.cli.systemd.unit_paths import resolve_unit_settings, unit_cautions
from tradebot.ops import systemd_unit

LIVE = """
[app]
mode = "live"
symbols = "@shares.txt"
[venue]
name = "kite"
[kite]
account_id = "AB1234"
[[strategy]]
name = "mine/own.py:Own"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shares.txt").write_text("TCS\nINFY\n")
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[list[str], str]:
    assert run_command_line(["service", "print", *arguments]) == 0
    said = capsys.readouterr()
    return said.out.splitlines(), said.err


def value(lines: list[str], key: str) -> str:
    return next(line.partition("=")[2] for line in lines if line.startswith(f"{key}="))


def test_the_configuration_beside_the_shell_is_named_in_the_unit(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "config.toml").write_text("[app]\nsymbols = 'TCS'\n")
    lines, _ = printed(capsys, "--symbols", "INFY, @shares.txt")
    command = value(lines, "ExecStart")
    assert command.endswith(f"run --config {folder}/config.toml --symbols INFY,@{folder}/shares.txt")
    assert value(lines, "WorkingDirectory") == "%S/tradebot"


def test_a_live_configuration_without_keys_in_the_shell_becomes_a_unit_that_can_trade(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "config.toml").write_text(LIVE)
    lines, said = printed(capsys)
    assert value(lines, "ExecStart").endswith(f"--config {folder}/config.toml --yes")
    assert value(lines, "LoadCredential") == "kite__api_key:/etc/tradebot/credentials/kite__api_key"
    assert value(lines, "WorkingDirectory") == str(folder)  # where the relative names of the file begin
    assert "REAL money on account AB1234" in said
    assert "does not start before /etc/tradebot/credentials holds kite__api_key and kite__api_secret" in said
    assert run_command_line(["service", "print", "--symbols", "T/S"]) == 65


@pytest.mark.parametrize("text", ["[app\n", "app = 3\n", "[risk]\nmax_daily_los = 3\n"])
def test_no_unit_is_printed_for_a_configuration_that_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (folder / "config.toml").write_text(text)
    assert run_command_line(["service", "print"]) == 78
    assert "config.toml:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "restart", "said"),
    [
        ("", "always", ""),  # the next start begins the next day of the embedded exchange
        ("[exchange]\nspeed = 600\n", "on-failure", "stays down: at exchange.speed 600 the days follow"),
        (
            "[exchange]\nprices = 'recorded'\npath = '/data'\n",
            "on-failure",
            "stays down: recorded prices",
        ),
        ("[app]\nstop_after = '5m'\n", "on-failure", "stays down: app.stop_after is 5m"),
        (LIVE, "on-failure", ""),
    ],
)
def test_the_unit_of_an_invented_market_goes_on_with_the_next_day_or_says_that_it_ends(
    folder: Path, capsys: pytest.CaptureFixture[str], text: str, restart: str, said: str
) -> None:
    (folder / "config.toml").write_text(text)
    lines, told = printed(capsys)
    assert value(lines, "Restart") == restart
    assert ("stays down" in told, said in told) == (bool(said), True)


def test_a_file_below_home_that_the_configuration_names_stays_readable(folder: Path) -> None:
    (folder / "config.toml").write_text("[[strategy]]\nname = '/home/me/own.py:Own'\n[kite]\nca_bundle = 'ca.pem'\n")
    asked = resolve_unit_settings(None, None, None)
    assert asked.read_paths == (Path("/home/me/own.py"), folder / "ca.pem")
    text = systemd_unit.render_unit(
        executable=["/usr/bin/tradebot"], config=asked.config, symbols=None, user=None, credentials=None,
        reads=asked.read_paths, keys=asked.key_files,
    )  # fmt: skip
    assert "ProtectHome=read-only" in text.splitlines()
    assert "/home/me/own.py does not exist" in list(unit_cautions(asked, ["/usr/bin/env"], None))


def test_what_the_sandbox_hides_or_shuts_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEBOT_RISK__MAX_OPEN_ORDERS", "3")
    config = folder / "config.toml"
    config.write_text("[app]\nsymbols = 'TCS'\n")
    config.chmod(0o600)
    asked = resolve_unit_settings(config, None, None)
    monkeypatch.setattr("tradebot.cli.systemd.unit_paths.HIDDEN_FOLDERS", (folder.resolve(),))
    assert any("is hidden from the unit" in line for line in unit_cautions(asked, ["/usr/bin/env"], None))
    monkeypatch.setattr("tradebot.cli.systemd.unit_paths.HIDDEN_FOLDERS", ())
    said = list(unit_cautions(asked, ["/usr/bin/env"], None))
    assert any("cannot be read by the user of the unit" in line for line in said), said
    assert any("does not know TRADEBOT_RISK__MAX_OPEN_ORDERS" in line for line in said), said


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_live_unit_without_a_warning(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "config.toml").write_text(LIVE)
    lines, _ = printed(capsys)
    path = folder / "tradebot.service"
    path.write_text("\n".join(lines) + "\n")
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
