"""The report: one page that needs nothing beside it, drawn by a real browser with the network off."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
from base64 import b64decode
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.backtest.bars_by_hand import job, random_bars
from tests.backtest.result_by_hand import bars, result
from tradebot.backtest import candles, notebook, report, report_data
from tradebot.backtest.check import Check, CheckVerdict
from tradebot.backtest.metrics import LABELS
from tradebot.backtest.result import Result
from tradebot.backtest.run import run_backtest
from tradebot.domain.market import BarSeries
from tradebot.errors import DataError
from tradebot.strategies.loading import StrategySpec
from tradebot.sweep import heat_map
from tradebot.sweep.parameter_space import ParameterAxis, ParameterSpace
from tradebot.sweep.sweep import SweepPlan
from tradebot.sweep.trial import TrialRow

CHECKS = [Check(name="costs", title="Costs", verdict=CheckVerdict.FAIL, text="Costs take <b>all</b> & more.")]
OUTSIDE = re.compile(r"""(?:src|href|action|data)\s*=\s*["']?\s*(?:https?:)?//[^"'\s>]+|@import|url\(\s*["']?http""")


@pytest.fixture(scope="module")
def tested() -> tuple[Result, dict[str, BarSeries]]:
    series = {"RELIANCE": bars("RELIANCE", 10), "TCS": bars("TCS", 10, seed=2, price=320_000)}
    return result(series), series


def told(tested: tuple[Result, dict[str, BarSeries]]) -> dict[str, Any]:
    return json.loads(report.orjson.dumps(report_data.report_data(*tested, CHECKS), option=report.JSON_OPTIONS))


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("this test needs a browser: install Debian's chromium")
        pytest.skip("no chromium on this machine: apt-get install chromium")
    return found


def test_vendored_files_are_those_that_third_party_names() -> None:
    folder = files("tradebot.backtest").joinpath("vendor")
    named = dict(re.findall(r"^\| (\S+) \| ([0-9a-f]{64}) \|$", folder.joinpath("THIRD_PARTY.md").read_text(), re.M))
    found = {
        one.name: hashlib.sha256(one.read_bytes()).hexdigest()
        for one in folder.iterdir()
        if one.is_file() and one.name != "THIRD_PARTY.md"
    }
    assert found == named


def test_the_page_holds_all_it_needs_and_is_small(tested: Any, tmp_path: Path) -> None:
    # when
    beside = report.write_report(tmp_path / "out.html", told(tested), report_data.result_summary(tested[0], CHECKS))

    # then
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert len(page) < 350_000
    assert [found for found in OUTSIDE.findall(page) if "www.tradingview.com/" not in found] == []
    assert "default-src 'none'" in page
    assert "{{" + "story" + "}}" not in page
    told_beside = json.loads(beside.read_bytes())
    assert told_beside["figures"]["trades"] == len(tested[0].trade_rows) == len(told_beside["trades"]["rows"])
    assert told_beside["hashes"]["orders"] == tested[0].orders_hash
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.html", "out.json"]


def test_the_story_packed_into_the_page_is_the_story(tested: Any) -> None:
    page = report.render_page(told(tested))
    packed = re.search(r'<script id="story"[^>]*>([^<]+)</script>', page)
    assert packed is not None
    assert json.loads(gzip.decompress(b64decode(packed[1]))) == told(tested)


def test_a_browser_draws_the_page_with_the_network_off(tested: Any, tmp_path: Path) -> None:
    # given
    path = tmp_path / "out.html"
    report.write_report(path, told(tested), report_data.result_summary(tested[0], CHECKS))

    # when its view is asked for in the address
    dump = drawn(f"{path.as_uri()}#symbol=TCS&by-symbol=TCS&by-exit=stop", tmp_path)

    # then everything is drawn, what the story holds as text and never as markup, and the filters filter
    assert dump.count("<canvas") >= 8
    assert "1 of 1 checks failed" in dump
    assert "Costs take &lt;b&gt;all&lt;/b&gt; &amp; more." in dump
    rows = re.search(r'<table id="trades">.*?<tbody>(.*?)</tbody>', dump, re.S)
    assert rows is not None
    stops = [trade for trade in told(tested)["trades"]["rows"] if trade[0] == "TCS" and trade[-1] == "stop"]
    assert rows[1].count("<tr") == min(len(stops), 50) > 0
    assert "RELIANCE" not in rows[1]


def test_a_page_without_trades_says_so_and_names_who_was_switched_off(tmp_path: Path) -> None:
    # given a strategy that fails at its first bar: an account that does not move
    code = (
        "from tradebot.strategies.strategy import Strategy\n\n\nclass Odd(Strategy):\n"
        "    def decide(self, bar, now, position):\n        raise ValueError('<i>not</i> today')\n"
    )
    series = {"ACME": random_bars(1, 400)}
    still = run_backtest(job(StrategySpec(name="odd", reference="odd.py:Odd", code=code)), series)
    path = tmp_path / "out.html"
    report.write_report(path, report_data.report_data(still, series), report_data.result_summary(still))

    # when
    dump = drawn(path.as_uri(), tmp_path)

    # then the head of the page says it
    head = dump[: dump.index("<main>")]
    assert "odd was switched off for ACME: ValueError: &lt;i&gt;not&lt;/i&gt; today (line 6) at bar 1" in head
    assert re.search(r'<table id="trades">.*No trade was closed\.', dump, re.S)
    assert "no checks were made" in head


def test_a_browser_draws_the_heat_map_with_the_network_off(tmp_path: Path) -> None:
    # given the page of four trials
    plan = SweepPlan(
        space=ParameterSpace(
            axes=(ParameterAxis(name="fast", values=(5, 10)), ParameterAxis(name="slow", values=(20, 30)))
        ),
        objective="net",
    )
    figures = [{**dict.fromkeys(LABELS), "net": net} for net in (-5.0, 7.5, 100.0, 3.0)]
    rows = [
        TrialRow(number=n, role="trial", fold=0, values=values, state="done", figures=figures[n])
        for n, values in enumerate(plan.space.all_combinations())
    ]
    path = tmp_path / "heat.html"
    path.write_text(
        heat_map.heat_map_page(rows, plan, CHECKS, title="Sweep", period="now", currency="INR"), encoding="utf-8"
    )

    # when
    dump = drawn(path.as_uri(), tmp_path)

    # then
    table = re.search(r'<table id="heat">.*?</table>', dump, re.S)
    assert table is not None
    assert re.findall(r"<td[^>]*>([^<]*)</td>", table[0]) == ["-5.00", "100.00", "7.50", "3.00"]
    assert re.findall(r"<td[^>]*best[^>]*>([^<]*)<", table[0]) == ["100.00"]


def test_the_filters_filter_in_the_cell_of_a_notebook(tested: Any, tmp_path: Path) -> None:
    # given the page in a frame without an address, and someone who chooses there and tells the cell what he sees
    someone = """<script>
      const look = setInterval(() => {
        if (!root.dataset.drawn) return;
        clearInterval(look);
        $("by-exit").value = "stop";
        try { $("by-exit").onchange(); } finally { parent.postMessage($("count").textContent, "*"); }
      }, 50);
    </script></body>"""
    cell = notebook.ReportFrame(
        report.render_page(told(tested)).replace("</body>", someone), title="page"
    )._repr_html_()
    path = tmp_path / "cell.html"
    listener = "addEventListener('message', (event) => { document.getElementById('seen').textContent = event.data; });"
    path.write_text(f"<pre id='seen'></pre><script>{listener}</script>{cell}", encoding="utf-8")

    # when
    dump = dumped(path.as_uri(), tmp_path)

    # then
    stops = [trade for trade in told(tested)["trades"]["rows"] if trade[-1] == "stop"]
    assert f'<pre id="seen">{len(stops)} trades, ' in dump


def dumped(address: str, folder: Path) -> str:
    """Return the page as the browser has it after some seconds of virtual time; frames share that time."""
    return subprocess.run(
        [chromium(), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
         "--disable-features=IsolateSandboxedIframes", "--host-resolver-rules=MAP * ~NOTFOUND",
         "--virtual-time-budget=5000", "--dump-dom", address],
        capture_output=True, text=True, timeout=50, check=True,
    ).stdout  # fmt: skip


def drawn(address: str, folder: Path) -> str:
    """Return the page as the browser has it when its script is done."""
    dump = dumped(address, folder)
    assert re.search(r"<html[^>]*data-drawn=\"yes\"", dump), dump[:2000]
    assert "data-fault" not in dump
    return dump


def test_candles_are_thinned_without_losing_an_extreme(tested: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a page that has room for fewer candles than there are bars
    monkeypatch.setattr(candles, "MAX_CANDLES_PER_SYMBOL", 300)
    series = tested[1]["RELIANCE"]

    # when
    drawn = told(tested)["symbols"]["RELIANCE"]

    # then
    close = np.cumsum(np.array(drawn["o"]) + np.array(drawn["c"]))
    start = close - drawn["c"]
    assert len(close) <= 300
    assert "thinned from 1m" in drawn["note"]
    assert (np.maximum(start, close) + drawn["h"]).max() == series.high.max()
    assert (np.minimum(start, close) - drawn["l"]).min() == series.low.min()
    assert start[0] == series.open[0]
    assert close[-1] == series.close[-1]


def test_every_fill_stands_at_the_bar_that_holds_it(tested: Any) -> None:
    drawn = told(tested)["symbols"]["RELIANCE"]
    times = set(np.cumsum(drawn["t"]).tolist())
    fills = tested[0].fills
    assert len(drawn["fills"]) == int((fills["symbol"] == "RELIANCE").sum())
    assert {fill["bar"] for fill in drawn["fills"]} <= times
    assert {fill["stop"] for fill in drawn["fills"] if fill["purpose"] == "stop"} == {True}


def test_the_stop_of_a_position_is_a_line_from_its_entry_to_its_end(tested: Any) -> None:
    drawn = told(tested)["symbols"]["RELIANCE"]
    trades = tested[0].trades[tested[0].trades["symbol"] == "RELIANCE"]
    first, stop = trades.iloc[0], tested[0].orders["stop"].iloc[0]
    begin, end = ((at.tz_localize(None) - pd.Timestamp(0)).total_seconds() for at in first[["entered_at", "exited_at"]])
    assert drawn["stops"][0] == [begin // 180 * 180, end // 180 * 180, stop]
    assert len(drawn["stops"]) == len(trades)
    edges = [time for begin, end, _ in drawn["stops"] for time in (begin, end)]
    assert edges == sorted(set(edges))


def test_the_curve_is_thinned_without_losing_its_lowest_point(tested: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_data, "CURVE_POINTS", 100)
    curve = told(tested)["equity"]
    assert len(curve["t"]) <= 102
    assert min(curve["v"]) == pytest.approx(tested[0].equity.min())
    assert curve["v"][-1] == pytest.approx(tested[0].equity.iloc[-1])


def test_other_bars_and_other_code_have_other_hashes(tested: Any) -> None:
    ours = told(tested)["hashes"]
    other = {**tested[1], "TCS": bars("TCS", 10, seed=3)}
    assert list(ours) == ["orders", "bars", "code of ema_cross"]
    assert report_data.bars_hash(other) != ours["bars"] == report_data.bars_hash(dict(tested[1]))


def test_months_multiply_to_the_whole_return(tested: Any) -> None:
    equity = tested[0].equity
    (year,) = report_data.monthly_returns(equity, cash=100_000)
    assert year["total"] == pytest.approx(equity.iloc[-1] / 100_000 - 1)


def test_the_parts_of_the_bill_add_up_to_the_charges(tested: Any) -> None:
    parts = report_data.cost_parts(tested[0])
    assert {"transaction_tax", "gst", "stamp_duty"} <= set(parts)
    assert sum(parts.values()) == pytest.approx(float(tested[0].fills["charges"].sum()))


def test_a_report_that_cannot_be_written_leaves_nothing(tested: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the folder .* does not exist"):
        report.write_report(tmp_path / "absent" / "out.html", told(tested), {})
    with pytest.raises(DataError, match=r"must end in \.html"):
        report.write_report(tmp_path / "out.json", told(tested), {})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out.html").mkdir()
    with pytest.raises(DataError, match=r"out\.html cannot be written: Is a directory"):
        report.write_report(tmp_path / "out.html", told(tested), {})
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]
