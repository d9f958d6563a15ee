"""Checks of the settings: what a run refuses is red, what it warns of is yellow, and each names its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tradebot.clock import parse_iso
from tradebot.config import Config
from tradebot.config.sections import AnalysisSection, AppSection, BarsSection, StrategySection
from tradebot.doctor.finding import Colour
from tradebot.doctor.settings_checks import (
    check_calendar,
    check_file_modes,
    check_settings,
    check_workers,
    judge_calendar,
    judge_workers,
)

NOW = parse_iso("2026-06-01T08:00:00+05:30")
FRAMES = """
from tradebot.strategies.frame_strategy import FrameStrategy

class Slow(FrameStrategy):
    def signals(self, frame):
        return frame
"""


def config_in(folder: Path, **sections: Any) -> Config:
    return Config(app=AppSection(state_dir=folder / "state"), **sections)


def test_good_settings_are_green(tmp_path: Path) -> None:
    (found,) = check_settings(config_in(tmp_path), origin="config.toml", now=NOW)
    assert (found.colour, found.remedy) == (Colour.GREEN, "")


def test_what_a_run_refuses_is_red_with_the_key_to_change(tmp_path: Path) -> None:
    settings = config_in(tmp_path, bars=BarsSection(interval="1d"))
    (found,) = check_settings(settings, origin="config.toml", now=NOW)
    assert found.colour is Colour.RED
    assert found.remedy == "change bars.interval in config.toml"


def test_a_strategy_that_cannot_be_loaded_is_red(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import no_such_thing\n")
    settings = config_in(tmp_path, strategy=(StrategySection(name=f"{tmp_path}/mine.py:Mine"),))
    (found,) = check_settings(settings, origin="config.toml", now=NOW)
    assert found.colour is Colour.RED
    assert "no_such_thing" in found.what


def test_a_symbol_that_is_not_traded_is_yellow(tmp_path: Path) -> None:
    settings = config_in(tmp_path, strategy=(StrategySection(name="ema_cross", symbols=("WIPRO",)),))
    (found,) = check_settings(settings, origin="config.toml", now=NOW)
    assert (found.colour, "WIPRO" in found.what) == (Colour.YELLOW, True)


@pytest.mark.parametrize(
    ("days", "colour"), [(31, Colour.GREEN), (30, Colour.YELLOW), (0, Colour.YELLOW), (-1, Colour.RED)]
)
def test_the_calendar_is_yellow_a_month_before_its_end(days: int, colour: Colour) -> None:
    assert judge_calendar(days, "2026-12-31").colour is colour


def test_the_calendar_of_this_program_covers_its_year(tmp_path: Path) -> None:
    assert [one.colour for one in check_calendar(config_in(tmp_path), now=NOW)] == [Colour.GREEN]
    later = parse_iso("2040-01-02T08:00:00+05:30")
    assert [one.colour for one in check_calendar(config_in(tmp_path), now=later)] == [Colour.RED]


def test_files_that_others_may_change_or_read_are_red_with_the_command_that_mends_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    for name, mode in (("kite__api_key", 0o600), ("kite__api_secret", 0o644)):
        (keys / name).write_text("x")
        (keys / name).chmod(mode)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(keys))
    login = tmp_path / "state/login-kite.json"
    login.write_text("{}")
    login.chmod(0o644)
    of_unit = (tmp_path / "gone", keys / "kite__api_key")
    found = list(check_file_modes(config_in(tmp_path), unit_credentials=of_unit))
    assert [one.remedy for one in found] == [
        f"chmod 600 {keys}/kite__api_secret", f"write {tmp_path}/gone", "remove it, then: tradebot login kite"
    ]  # fmt: skip
    assert {one.colour for one in found} == {Colour.RED}


def test_files_of_their_owner_alone_are_green(tmp_path: Path) -> None:
    assert [one.colour for one in check_file_modes(config_in(tmp_path), unit_credentials=())] == [Colour.GREEN]


@pytest.mark.parametrize(
    ("setting", "chosen", "colour"),
    [
        (1, 1, Colour.GREEN),
        ("auto", 4, Colour.GREEN),
        (1, 3, Colour.YELLOW),
        (0, 1, Colour.YELLOW),
        (4, 2, Colour.GREEN),
    ],
)
def test_workers_are_judged_by_what_auto_would_choose(setting: int | str, chosen: int, colour: Colour) -> None:
    assert judge_workers(setting, chosen, "about 9 ms").colour is colour


def test_the_work_of_the_strategies_decides_about_workers(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(FRAMES)
    settings = config_in(
        tmp_path,
        analysis=AnalysisSection(workers=1),
        strategy=(StrategySection(name=f"{tmp_path}/slow.py:Slow"),),
    )
    (found,) = check_workers(settings, cores=8)
    assert found.colour is Colour.YELLOW
    assert "auto would choose 2" in found.what
