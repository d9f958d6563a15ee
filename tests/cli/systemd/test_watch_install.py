"""`service install --watch`: the units beside each other, with the keys of alerts that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradebot.__main__ import run_command_line


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one key of alerts, and a working directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "notify__urls").write_text("json://127.0.0.1/canary-Hook-0001")
    return folder


def test_the_watch_is_written_beside_the_unit_with_its_own_keys(
    keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unit = tmp_path / "trader.service"
    assert run_command_line(["service", "install", "--watch", "--credentials", str(keys), "--path", str(unit)]) == 0

    out = capsys.readouterr().out
    assert "systemctl enable --now trader.service trader-watch.timer" in out
    watch = (tmp_path / "trader-watch.service").read_text()
    assert f"LoadCredential=notify__urls:{keys}/notify__urls" in watch.splitlines()
    assert "telegram__token" not in watch
    assert "User=trader" in watch.splitlines()
    assert "OnCalendar=*:0/2" in (tmp_path / "trader-watch.timer").read_text().splitlines()
    assert f"LoadCredential=notify__urls:{keys}/notify__urls" in unit.read_text().splitlines()
    assert "canary" not in out + watch + unit.read_text()


def test_without_the_option_the_unit_is_alone(keys: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unit = tmp_path / "trader.service"
    assert run_command_line(["service", "install", "--path", str(unit)]) == 0
    assert sorted(path.name for path in tmp_path.glob("trader*")) == ["trader.service"]
    assert "enable --now trader.service\n" in capsys.readouterr().out


def test_the_units_of_the_watch_are_printed_with_their_names(keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["service", "print", "--watch", "--credentials", str(keys)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# tradebot-watch.service\n")
    assert "\n# tradebot-watch.timer\n" in out
