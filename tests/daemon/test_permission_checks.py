"""What others may change is refused with the command that mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradebot.config import Config, StrategySection
from tradebot.config.sections import AppSection
from tradebot.daemon.permission_checks import find_exposed_files


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir(mode=0o700)
    return tmp_path / "state"


def settings(state: Path, mode: str = "paper", strategy: str = "ema_cross") -> Config:
    return Config(app=AppSection(mode=mode, state_dir=state), strategy=(StrategySection(name=strategy),))  # type: ignore[arg-type]


def said(config: Config, credentials: str = "") -> list[str]:
    return [sentence for _, sentence in find_exposed_files(config, credentials=credentials)]


def test_a_private_state_directory_or_none_yet_is_taken(state: Path, tmp_path: Path) -> None:
    assert said(settings(state)) == []
    assert said(settings(tmp_path / "none")) == []


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_state_directory_that_others_may_write_is_refused(state: Path, mode: int) -> None:
    state.chmod(mode)
    (sentence,) = said(settings(state))
    assert f"run chmod 700 {state}" in sentence


def test_credentials_that_others_may_write_or_everybody_read_are_refused(state: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    key = keys / "kite__api_key"
    key.write_text("abc")
    key.chmod(0o400)
    assert said(settings(state), str(keys)) == []
    key.chmod(0o666)
    keys.chmod(0o777)
    folder, file = said(settings(state), str(keys))
    assert f"chmod 700 {keys}" in folder
    assert f"chmod 600 {key}" in file
    assert "abc" not in file


def test_in_live_mode_a_strategy_that_others_may_write_is_refused(state: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o755)
    file = tmp_path / "mine" / "s.py"
    file.write_text("")
    file.chmod(0o666)
    assert said(settings(state, strategy=f"{file}:S")) == []
    (sentence,) = said(settings(state, "live", f"{file}:S"))
    assert f"chmod go-w {file}" in sentence
    file.chmod(0o644)
    (tmp_path / "mine").chmod(0o777)
    assert "the folder of a strategy" in said(settings(state, "live", f"{file}:S"))[0]
