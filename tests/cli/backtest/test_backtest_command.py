"""`tradebot backtest`: figures and a hash from a folder of bars, and one clear sentence for what cannot be tested."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

import tradebot
from tests.backtest.bars_by_hand import random_bars
from tradebot.__main__ import run_command_line

ROOT = Path(__file__).resolve().parents[3]


def write_days(folder: Path, symbol: str, seed: int, days: int = 3) -> None:
    """Minutes of whole Indian sessions from Monday, 2024-01-01."""
    bars = random_bars(seed, 375 * days)
    lines = ["ts,open,high,low,close,volume"]
    for n in range(len(bars)):
        at = f"2024-01-0{1 + n // 375} {9 + (15 + n % 375) // 60:02d}:{(15 + n % 375) % 60:02d}:00"
        prices = (bars.open[n], bars.high[n], bars.low[n], bars.close[n])
        lines.append(f"{at},{','.join(f'{p / 100:.2f}' for p in prices)},{bars.volume[n]}")
    (folder / f"{symbol}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "bars"
    made.mkdir()
    write_days(made, "ACME", 1)
    write_days(made, "BOLT", 2)
    return made


def backtest(folder: Path, *more: str, strategy: str = "ema_cross") -> int:
    options = ["--strategy", strategy, "--data", str(folder), "--tz", "Asia/Kolkata"]
    return run_command_line(["backtest", *options, *more])


def told(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def test_a_folder_of_bars_gives_figures_and_the_same_hash_twice(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert backtest(folder, "--param", "trend=0", "--json", "--no-checks") == 0
    first = told(capsys)
    assert backtest(folder, "--param", "trend=0", "--json", "--no-checks", "--every-bar") == 0
    every = told(capsys)

    assert first["counts"]["fills"] > 50
    assert first["orders_hash"] == every["orders_hash"]
    assert every["counts"]["visited"] == 375 * 3 > first["counts"]["visited"]
    assert first["figures"]["charges"] > 0


def test_people_are_told_what_the_figures_rest_on(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backtest(folder, "--slippage", "1ticks", "--symbols", "BOLT") == 0

    shown = capsys.readouterr().out
    assert "a stop counts before a target of the same bar" in shown
    assert "assumed: slippage: 1ticks" in shown
    assert "orders_hash " in shown
    assert "closed trades" in shown
    assert re.search(r"Longest drawdown +[\d.]+ days", shown)


def test_people_are_told_why_orders_were_denied(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small.toml").write_text("[risk]\norder_notional = 1\n", encoding="utf-8")

    assert backtest(folder, "--param", "trend=0", "--no-checks", "-c", str(tmp_path / "small.toml")) == 0

    shown = capsys.readouterr().out
    assert re.search(r"\n\d+ denied by sanity: the size is 0: risk.order_notional does not pay one lot of 1\n", shown)


def test_symbols_with_accounts_of_their_own_trade_as_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert backtest(folder, "--account", "each", "--workers", "2", "--json") == 0
    both = told(capsys)
    assert backtest(folder, "--symbols", "ACME", "--json", "--no-checks") == 0
    one = told(capsys)

    assert backtest(folder, "--symbols", "NSE:ACME", "--json", "--no-checks") == 0
    assert told(capsys)["orders_hash"] == one["orders_hash"]
    assert both["symbols"] == 2
    assert both["counts"]["fills"] > one["counts"]["fills"] > 0


def test_bars_of_days_are_billed_as_delivery(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["date,open,high,low,close,volume"]
    bars = random_bars(3, 120)
    days = [day for day in (date(2024, 1, 1) + timedelta(n) for n in range(170)) if day.weekday() < 5][:120]
    for n, day in enumerate(days):
        prices = (bars.open[n], bars.high[n], bars.low[n], bars.close[n])
        lines.append(f"{day},{','.join(f'{p / 100:.2f}' for p in prices)},{bars.volume[n]}")
    file = folder / "ACME.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    assert backtest(file, "--param", "trend=0", "--accept-gaps", "--no-checks", "--json") == 0
    found = told(capsys)

    assert found["settings"]["desk"]["product"] == "CNC"
    assert found["counts"]["fills"] > 0
    assert "brokerage" not in found["costs"]
    assert any("for delivery (CNC)" in truth for truth in found["truths"])


def test_a_report_is_written_beside_its_figures(folder: Path, tmp_path: Path) -> None:
    assert backtest(folder, "--symbols", "ACME", "--report", str(tmp_path / "out.html")) == 0

    assert (tmp_path / "out.html").stat().st_size > 10_000
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["orders_hash"]


def test_a_strategy_that_raises_is_named_and_the_exit_code_says_so(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "from tradebot.strategies.strategy import Strategy\n\n\n"
        "class Bad(Strategy):\n"
        "    seen = 0\n\n"
        "    def decide(self, bar, now, position):\n"
        "        self.seen += 1\n"
        "        if self.seen == 7:\n"
        "            raise RuntimeError('seventh bar')\n",
        encoding="utf-8",
    )

    code = backtest(folder, "--symbols", "ACME", "--no-checks", "--json", strategy=f"{bad}:Bad")

    heard = capsys.readouterr()
    assert code == 65
    assert heard.err == (
        "tradebot: Bad was switched off for ACME: RuntimeError: seventh bar (line 10)"
        " at bar 7, 2024-01-01T09:21:00+05:30\n"
    )
    assert json.loads(heard.out)["counts"]["fills"] == 0
    # and people are not shown a table of zeros that looks like a result
    assert backtest(folder, "--symbols", "ACME", strategy=f"{bad}:Bad") == 65
    shown = capsys.readouterr().out
    assert "strategies switched off on the way: 1, named at the end" in shown
    assert "no order was made before that, so there are no figures to show" in shown
    assert "Sharpe" not in shown


def test_what_a_strategy_prints_is_kept_out_of_the_json(folder: Path, tmp_path: Path) -> None:
    loud = tmp_path / "loud.py"
    loud.write_text(
        "from tradebot.strategies.strategy import Param, Strategy\n\nprint('loaded')\n\n\n"
        "class Loud(Strategy):\n    size = Param(1)\n\n"
        "    def decide(self, bar, now, position):\n        print('decided')\n",
        encoding="utf-8",
    )
    common = ("--data", str(folder), "--tz", "Asia/Kolkata", "--no-checks", "--json")
    for verb in (
        ("backtest", "-s", f"{loud}:Loud", "--account", "each", "--workers", "2"),
        ("sweep", "-s", f"{loud}:Loud", "-p", "size=1,2", "--workers", "2"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "tradebot", *verb, *common],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        json.loads(done.stdout)
        assert "loaded\n" in done.stderr
        assert "decided\n" in done.stderr


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (("--cash", "much"), 2, "Invalid value for '--cash': 'much' is no number"),
        (("--cash", "0.001"), 2, "should be 0.01 or more"),
        (("--costs", "nan%"), 2, "should be india, none or a percentage"),
        (("--latency", "nan"), 2, "Invalid value for '--latency': 'nan' is no number"),
        (("--participation", "nan"), 2, "Invalid value for '--participation': 'nan' is no number"),
        (("--from", "9999-12-31"), 65, "'9999-12-31' is no time"),
        (("--to", "9999-12-31"), 65, "'9999-12-31' is no time"),
        (("--tz", "Mars/Olympus"), 65, "there is no time zone 'Mars/Olympus'"),
        (("--slippage", "much"), 2, "should be none, 2ticks, 5bps"),
        (("--costs", "x%"), 2, "should be india, none or a percentage"),
        (("--param", "fast"), 2, "should be NAME=VALUE"),
        (("--param", "quick=3"), 78, "has no parameter quick"),
        (("--symbols", "NOPE"), 65, "there are no bars of NOPE"),
        (("--from", "yesterday-ish"), 65, "is no time"),
    ],
)
def test_what_cannot_be_asked_gets_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], code: int, words: str
) -> None:
    assert backtest(folder, *more) == code
    assert words in capsys.readouterr().err


def test_data_with_gaps_is_refused_unless_they_are_accepted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (folder / "ACME.csv").read_text(encoding="utf-8").splitlines()
    del lines[100:500]
    (folder / "ACME.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    assert backtest(folder, "--symbols", "ACME") == 65
    assert "--accept-gaps" in capsys.readouterr().err
    assert backtest(folder, "--symbols", "ACME", "--accept-gaps", "--no-checks") == 0


def test_without_bars_there_is_nothing_to_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "ACME.csv"
    empty.write_text("ts,open,high,low,close,volume\n", encoding="utf-8")

    assert backtest(empty) == 65
    assert f"{empty}: there are no bars in it" in capsys.readouterr().err
    assert (
        run_command_line(["backtest", "--strategy", "ema_cross", "--data", str(empty)]) == 65
    )  # nor is a zone asked for
    assert f"{empty}: there are no bars in it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [*lines[:12], lines[11], *lines[12:]], "rows that say the same as one before: 1"),
        (lambda lines: [*lines[:11], lines[12], lines[11], *lines[13:]], "rows that come after later ones: 1"),
    ],
)
def test_rows_twice_or_out_of_order_are_refused_unless_they_are_accepted(
    folder: Path, capsys: pytest.CaptureFixture[str], change: Callable[[list[str]], list[str]], words: str
) -> None:
    file = folder / "ACME.csv"
    assert backtest(file, "--no-checks", "--json") == 0
    sound = told(capsys)
    file.write_text("\n".join(change(file.read_text(encoding="utf-8").splitlines())) + "\n", encoding="utf-8")

    assert backtest(file, "--no-checks") == 65
    assert words in capsys.readouterr().err
    assert backtest(file, "--accept-gaps", "--no-checks", "--json") == 0
    assert told(capsys)["orders_hash"] == sound["orders_hash"]


def test_one_bar_is_tested_when_its_length_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "ACME.csv"
    file.write_text("\n".join(file.read_text(encoding="utf-8").splitlines()[:2]) + "\n", encoding="utf-8")

    assert backtest(file, "--no-checks") == 65
    assert "one bar of a symbol does not tell how long a bar is; say it with --interval" in capsys.readouterr().err
    assert backtest(file, "--no-checks", "--interval", "1m", "--json") == 0
    assert told(capsys)["counts"]["bars"] == 1


def test_a_bad_row_is_named_with_what_leaves_it_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "ACME.csv"
    file.write_text(file.read_text(encoding="utf-8") + "2024-01-04 09:15:00,nan,1,1,1,1\n", encoding="utf-8")

    assert backtest(file) == 65  # `backtest` itself has no --skip-bad
    assert "`tradebot data import` leaves such rows out with --skip-bad\n" in capsys.readouterr().err
    file.write_text("ts,open,high,low,close,volume\n01/02/2024 09:15,1,1,1,1,1\n", encoding="utf-8")
    assert backtest(file) == 65
    assert "--skip-bad, or reads unusual times with --time-format '%d/%m/%Y %H:%M'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("exchange", "zone", "first", "freq", "hours", "currency"),
    [
        ("NSE", "Asia/Kolkata", "2024-01-02 09:15", "1min", "nse", "INR"),
        ("NSE", "Asia/Kolkata", "2024-01-02", "B", "always", "INR"),
        ("NASDAQ", "America/New_York", "2024-01-02 09:30", "1min", "always", "USD"),
        ("BINANCE", "UTC", "2024-01-02 00:00", "1min", "always", "USD"),
    ],
)
def test_the_command_and_python_trade_the_same_market(
    exchange: str, zone: str, first: str, freq: str, hours: str, currency: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    # given bars with volumes in fractions, and prices of three decimals
    bars, index = random_bars(3, 18), pd.date_range(first, periods=18, freq=freq, tz=zone, name="ts")
    columns = {name: getattr(bars, name) / 1000 for name in ("open", "high", "low", "close")}
    frame = pd.DataFrame(columns | {"volume": bars.volume / 4}, index=index)
    frame.to_csv(tmp_path / "ACME.csv")

    # when
    asked = ["backtest", "-s", "ema_cross", "--data", str(tmp_path), "--exchange", exchange, "--accept-gaps"]
    assert run_command_line([*asked, "--no-checks", "--json"]) == 0
    command = told(capsys)["settings"]
    python = tradebot.backtest("ema_cross", {"ACME": frame}, exchange=exchange, accept_gaps=True)

    # then
    ours = json.loads(json.dumps(python.result.settings(), default=str))
    assert [command[name] for name in ("hours", "currency", "zone", "costs", "interval", "instruments")] == [
        ours[name] for name in ("hours", "currency", "zone", "costs", "interval", "instruments")
    ]
    assert command["desk"]["product"] == ours["desk"]["product"]
    assert (command["hours"]["market"], command["currency"], command["zone"]) == (hours, currency, zone)
