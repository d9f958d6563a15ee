"""The unit's drift: the installed unit is held against what `service print` gives now with the same options."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tradebot.__main__ import run_command_line
from tradebot.cli.systemd.unit import unit_text
from tradebot.doctor.finding import Colour
from tradebot.doctor.unit_checks import InstalledUnit, check_unit, judge_unit, read_unit
from tradebot.errors import ConfigError


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Install a unit with the options of a person, into a folder of the test."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.toml").write_text("[app]\nsymbols = 'TCS'\n")

    def installed(*options: str) -> Path:
        path = tmp_path / "tradebot.service"
        assert run_command_line(["service", "install", "--path", str(path), "--yes", *options]) == 0
        return path

    return installed


def rendered(unit: InstalledUnit) -> str:
    folder = unit.credentials[0].parent if unit.credentials else None
    return unit_text(None, symbols=unit.symbols, user=unit.user, credentials=folder)


@pytest.mark.parametrize("options", [(), ("--symbols", "INFY,M&M"), ("--user", "trader", "--credentials", "keys")])
def test_a_unit_is_green_as_it_was_installed_with_any_options(
    install: Callable[..., Path], options: tuple[str, ...]
) -> None:
    path = install(*options)
    (found,) = check_unit(read_unit(path), rendered)
    assert found.colour is Colour.GREEN, found


def test_a_unit_of_an_earlier_version_is_yellow_with_what_differs(install: Callable[..., Path]) -> None:
    path = install("--symbols", "INFY")
    path.write_text(path.read_text().replace("WatchdogSec=30", "WatchdogSec=90").replace("LimitCORE=0\n", ""))
    (found,) = check_unit(read_unit(path), rendered)
    assert found.colour is Colour.YELLOW
    assert "lacks WatchdogSec=30" in found.what
    assert "lacks LimitCORE=0" in found.what
    assert "has WatchdogSec=90" in found.what
    assert "daemon-reload" in found.remedy


def test_without_a_unit_it_is_green_and_with_refused_settings_red(tmp_path: Path) -> None:
    assert [one.colour for one in check_unit(read_unit(tmp_path / "none"), rendered)] == [Colour.GREEN]

    def refused(_: InstalledUnit) -> str:
        raise ConfigError("app.mode is wrong")

    (found,) = check_unit(InstalledUnit(tmp_path / "x", "", None, None, ()), refused)
    assert (found.colour, "app.mode is wrong" in found.what) == (Colour.RED, True)


def test_comments_and_empty_lines_are_no_drift() -> None:
    assert judge_unit("u", "[Unit]\n# mine\n\nA=1\n", "[Unit]\nA=1\n# theirs\n").colour is Colour.GREEN
