"""The units of the watch: the daemon's user and state, its own command, and what systemd says about them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tradebot.errors import ConfigError
from tradebot.ops.watch_units import render_watch_service, render_watch_timer

ANALYZE = shutil.which("systemd-analyze")


def rendered(**changes: object) -> str:
    arguments = {
        "unit": "tradebot.service", "executable": [sys.executable, "-m", "tradebot"],
        "config": Path("/etc/tradebot/config.toml"), "user": None, "credentials": Path("/etc/tradebot/credentials"),
        "keys": ("notify__urls",),
    }  # fmt: skip
    return render_watch_service(**(arguments | changes))  # type: ignore[arg-type]


def test_the_watch_runs_once_as_the_daemons_user_with_the_keys_of_alerts_alone() -> None:
    lines = rendered().splitlines()
    assert f"ExecStart={sys.executable} -m tradebot notify watch --config /etc/tradebot/config.toml" in lines
    assert {"Type=oneshot", "DynamicUser=yes", "User=tradebot", "StateDirectory=tradebot"} <= set(lines)
    assert "LoadCredential=notify__urls:/etc/tradebot/credentials/notify__urls" in lines
    assert not [line for line in lines if "kite" in line]
    assert "User=trader" in rendered(user="trader").splitlines()
    assert "DynamicUser=yes" not in rendered(user="trader")


def test_it_gives_away_no_more_than_the_daemons_unit() -> None:
    lines = rendered().splitlines()
    assert {"NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet="} <= set(lines)
    assert "RuntimeDirectory=tradebot" not in lines  # it would be removed under the daemon when the look is over


@pytest.mark.parametrize("changes", [{"unit": "x y.service"}, {"user": "root; x"}, {"config": Path("/a\nUser=root")}])
def test_text_that_would_break_out_of_its_line_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        rendered(**changes)


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("user", [None, "root"])
def test_systemd_takes_both_units_without_a_warning(tmp_path: Path, user: str | None) -> None:
    service, timer = tmp_path / "tradebot-watch.service", tmp_path / "tradebot-watch.timer"
    service.write_text(rendered(user=user))
    timer.write_text(render_watch_timer("tradebot.service"))

    done = subprocess.run(
        [str(ANALYZE), "verify", str(service), str(timer)], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
