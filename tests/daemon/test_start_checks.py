"""What a run is refused for before it begins: `config check` and `run_command_line` say the same of every case."""

from __future__ import annotations

from datetime import date, time, timedelta
from pathlib import Path

import pytest

from tradebot.__main__ import run_command_line
from tradebot.config import load_config
from tradebot.daemon.start_checks import check_day_covered, start_problems, start_warnings
from tradebot.errors import ConfigError
from tradebot.markets.calendar import TradingCalendar, ist_to_ns
from tradebot.markets.market import HOME_MARKET

NOW = ist_to_ns(date(2026, 11, 23), time(10))
LIVE = (
    "[app]\nmode = 'live'\nsymbols = 'INFY,TCS'\n[venue]\nname = 'kite'\n"
    "[kite]\napi_key = 'aaaa'\naccess_token = 'bbbb'\naccount_id = 'AB1234'\n"
)
PAPER = "[app]\nsymbols = 'INFY,TCS'\n"
CNC = "[execution]\nproduct = '{0}'\n[risk]\npermitted_products = ['MIS', '{0}']\n"
LONG = """
from tradebot.indicators.expressions import resample
from tradebot.strategies.strategy import Rules, Strategy


class Long(Strategy):
    def rules(self, bars):
        return Rules(enter_long=resample(bars, "15m").close > 0, exit_long=bars.close < 0)
"""
TWO = "[[strategy]]\nname = 'ema_cross'\n{}\n[[strategy]]\nname = 'rsi_reversion'\n{}\n"
CASES = {
    "one strategy twice": ("[[strategy]]\nname = 'ema_cross'\n" * 2, 78, "[[strategy]] names ema_cross twice"),
    "a strategy file that is not there": ("[[strategy]]\nname = 'none.py:Mine'\n", 65, "none.py does not exist"),
    "two classes of one name": (
        "[[strategy]]\nname = 'a.py:Long'\nsymbols = 'INFY'\n[[strategy]]\nname = 'b.py:Long'\nsymbols = 'TCS'\n",
        78, "two strategies have the same name: Long",
    ),
    "bars that a rule cannot have": ("[[strategy]]\nname = 'a.py:Long'\n[bars]\ninterval = '10m'\n", 78, "bars of 15m"),
    "two strategies on one symbol": (
        TWO.format("symbols = 'INFY'", "symbols = 'TCS,INFY'"), 78,
        "rsi_reversion and ema_cross both trade INFY: positions are not kept by strategy yet",
    ),
    "two strategies on all symbols": (TWO.format("", ""), 78, "both trade INFY, TCS"),
    "delivery": (CNC.format("CNC"), 78, "execution.product: is CNC, which stays overnight"),
    "carried": (CNC.format("NRML"), 78, "execution.product: is NRML, which stays overnight"),
    "daily bars": ("[bars]\ninterval = '1d'\n", 78, "the first bar of a day closes at 15:30, and MIS opens nothing"),
    "bars of six hours": ("[bars]\ninterval = '6h'\n", 78, "the first bar of a day closes at 15:15"),
}  # fmt: skip
LIVE_CASES = {"2m bars with a warm-up": ("[bars]\ninterval = '2m'\n", 78, "Kite has no candles of it to warm up with")}
PAPER_CASES = {
    "a day that is none": ("[exchange]\nday = '2026-02-30'\n", 78, "exchange.day: is 2026-02-30, which is no date"),
    "a holiday": ("[exchange]\nday = '2026-01-26'\n", 78, "exchange.day: is 2026-01-26, not a trading day"),
    "a day past the calendar": (
        "[exchange]\nday = '2027-03-02'\n", 78, "cannot be traded on 2027-03-02, the day of the exchange",
    ),
    "prices that are not there": ("[exchange]\nprices = 'recorded'\npath = 'none'\n", 65, "none"),
}  # fmt: skip
EVERY = [(mode, name, *case) for mode in (LIVE, PAPER) for name, case in CASES.items()]
EVERY += [(LIVE, name, *case) for name, case in LIVE_CASES.items()]
EVERY += [(PAPER, name, *case) for name, case in PAPER_CASES.items()]
MISSPELT = PAPER.replace("INFY,TCS", "TCS,NIFTY5O,BSE:INFI")
MISSPELT_SAID = "app.symbols: no list here knows NIFTY5O (did you mean NIFTY50?), BSE:INFI (did you mean INFY?);"
EVERY += [(MISSPELT, "symbols that no list knows", "", 78, MISSPELT_SAID)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(LONG)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(("mode", "name", "text", "code", "sentence"), EVERY, ids=lambda value: str(value)[:30])
def test_what_run_refuses_config_check_refuses_in_the_same_words(
    mode: str, name: str, text: str, code: int, sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(folder, mode + text)
    said = []
    for verb in (("config", "check"), ("run", "--yes", "--for", "1s", "--workers", "0")):
        assert run_command_line([*verb, "--config", str(path)]) == code
        said.append(capsys.readouterr().err)
    assert sentence in said[0], said[0]
    assert said[0] == said[1]
    assert not (folder / "state").exists()


@pytest.mark.parametrize(
    "text", [LIVE, PAPER, PAPER + "[bars]\ninterval = '2m'\n", PAPER + "[bars]\ninterval = '3h'\n"]
)
def test_what_can_be_traded_is_not_refused(text: str, folder: Path) -> None:
    assert start_problems(load_config(written(folder, text)), now=NOW) == []


def test_a_symbol_that_no_list_knows_is_traded_where_invented_shares_are_wanted(folder: Path) -> None:
    assert start_problems(load_config(written(folder, MISSPELT + "[exchange]\ninvent = true\n")), now=NOW) == []
    assert (
        start_problems(load_config(written(folder, PAPER.replace("INFY,TCS", "SYM0001,M&M,NIFTY 50"))), now=NOW) == []
    )
    assert (
        start_problems(load_config(written(folder, MISSPELT)), now=NOW, has_exchange=True) == []
    )  # that one has its own list


@pytest.mark.parametrize(
    "command", [("exchange", "--for", "1s"), ("data", "download", "--from", "2026-02-02", "--state-dir", "state")]
)
def test_no_other_command_invents_a_share_for_a_misspelt_symbol(
    command: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line([*command, "--symbols", "NIFTY5O"]) == 78
    assert "no list here knows NIFTY5O (did you mean NIFTY50?)" in capsys.readouterr().err


def test_two_strategies_with_symbols_of_their_own_are_not_refused(folder: Path) -> None:
    text = PAPER + TWO.format("symbols = 'INFY'", "symbols = 'TCS'")
    assert start_problems(load_config(written(folder, text)), now=NOW) == []


def test_the_wall_clock_says_whether_today_lies_past_the_calendar(folder: Path) -> None:
    live, paper = load_config(written(folder, LIVE)), load_config(written(folder, PAPER))
    last = TradingCalendar().covered_through
    for day, is_refused in ((last, False), (last + timedelta(days=1), True), (date(2027, 1, 26), True)):
        now = ist_to_ns(day, time(10))
        assert bool(start_problems(live, now=now)) is is_refused
        assert start_problems(paper, now=now) == []  # the embedded exchange plays a day of the past
    today = load_config(written(folder, PAPER + "[exchange]\nday = 'today'\n"))
    assert (
        "cannot be traded on 2027-01-26, today"
        in start_problems(today, now=ist_to_ns(date(2027, 1, 26), time(10)))[0][1]
    )


def test_the_end_of_the_calendar_is_said_from_thirty_days_ahead(folder: Path) -> None:
    config, last = load_config(written(folder, LIVE)), TradingCalendar().covered_through
    said = [len(start_warnings(config, now=ist_to_ns(last - timedelta(days=n), time(10)))) for n in (31, 30, 1, 0)]
    assert said == [0, 1, 1, 1]
    (text,) = start_warnings(config, now=ist_to_ns(last - timedelta(days=12), time(10)))
    assert f"ends on {last}, in 12 days" in text


def test_a_market_whose_day_lies_past_the_calendar_is_not_traded() -> None:
    check_day_covered(ist_to_ns(date(2026, 12, 31), time(10)), HOME_MARKET)
    with pytest.raises(ConfigError, match="cannot be traded on 2027-01-04"):
        check_day_covered(ist_to_ns(date(2027, 1, 4), time(10)), HOME_MARKET)


def test_a_strategys_symbol_that_is_not_traded_is_said(folder: Path) -> None:
    config = load_config(written(folder, PAPER + "[[strategy]]\nname = 'ema_cross'\nsymbols = 'INFY,WIPRO'\n"))
    (text,) = start_warnings(config, now=NOW)
    assert "ema_cross names WIPRO, which app.symbols does not" in text


def test_quotes_without_the_venues_time_are_said_to_leave_bars_to_this_machines_clock(folder: Path) -> None:
    (text,) = start_warnings(load_config(written(folder, LIVE + "mode = 'quote'\n")), now=NOW)
    assert "kite.mode is quote" in text
