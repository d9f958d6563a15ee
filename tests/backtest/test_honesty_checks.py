"""The honesty checks: each is shown a result that deceives in its way, and one that does not."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
import pytest

from tests.backtest.result_by_hand import bars, result
from tradebot.backtest import honesty_checks
from tradebot.backtest.check import CheckVerdict
from tradebot.backtest.job import Bill, Costs, Job
from tradebot.backtest.result import Result
from tradebot.backtest.run import run_backtest
from tradebot.backtest.significance import bootstrap_profit, deflated_sharpe
from tradebot.domain.market import BarSeries
from tradebot.exchange.slippage import Slippage, SlippageKind
from tradebot.strategies.loading import StrategySpec

SERIES = {"RELIANCE": bars("RELIANCE", 10)}
DECIDES = StrategySpec(
    name="mine",
    reference="mine.py:Mine",
    code=(
        "from tradebot.strategies.strategy import Strategy\n"
        "class Mine(Strategy):\n"
        "    def decide(self, bar, now, position):\n"
        "        return None\n"
    ),
)


def deciding(found: Result) -> Result:
    return msgspec.structs.replace(found, job=msgspec.structs.replace(found.job, strategies=(DECIDES,)))


def again(job: Job, series: Mapping[str, BarSeries]) -> Result:
    return deciding(result(series))


def earning(paise: list[int]) -> Result:
    """Return a result whose trades gain so much each, gross, at 50 rupees of costs."""
    made = result(SERIES)
    rows = {name: np.resize(getattr(made.trade_rows, name), len(paise)) for name in made.trade_rows.__struct_fields__}
    rows["gross"] = np.array(paise)
    equity = 10_000_000 + np.resize(np.cumsum(np.array(paise) - 5_000), len(made.equity_at))
    equity[-1] = 10_000_000 + sum(paise) - 5_000 * len(paise)
    trades = msgspec.structs.replace(made.trade_rows, **rows)
    return msgspec.structs.replace(made, trade_rows=trades, equity_units=equity)


def test_rules_cannot_look_ahead() -> None:
    def never(job: Job, series: Mapping[str, BarSeries]) -> Result:
        raise AssertionError("nothing is run again for rules")

    assert honesty_checks.check_look_ahead(result(SERIES), SERIES, never).verdict is CheckVerdict.PASS


def test_a_past_that_stays_the_same_without_its_future_passes() -> None:
    found = honesty_checks.check_look_ahead(again(result(SERIES).job, SERIES), SERIES, again)
    assert found.verdict is CheckVerdict.PASS, found.text
    assert found.values["cuts"] == 4


FRAMES = """
from tradebot.domain.messages import Action
from tradebot.strategies.frame_strategy import FrameStrategy
from tradebot.strategies.strategy import Intent, Strategy


class Framed(FrameStrategy):
    window = 60

    def signals(self, df):
        mean = df.close.rolling(20).mean()
        return df.assign(enter_long=df.close > mean, exit_long=df.close < mean)


class Peeking(FrameStrategy):
    window = 60

    def signals(self, df):
        return df.assign(enter_long=df.close.shift(-1) > df.close, exit_long=df.close.shift(-1) < df.close)


class Deciding(Strategy):
    def __init__(self):
        self.before = None

    def decide(self, bar, now, position):
        before, self.before = self.before, bar.close
        if before is None or bar.close == before:
            return None
        return Intent(action=Action.ENTER_LONG if bar.close > before else Action.EXIT_LONG)
"""


@pytest.mark.parametrize(("name", "verdict"), [("Framed", "pass"), ("Deciding", "pass"), ("Peeking", "fail")])
def test_the_real_walk_is_asked_whether_a_strategy_looks_ahead(name: str, verdict: str) -> None:
    spec = StrategySpec(name=name, reference=f"{name}.py:{name}", code=FRAMES)
    series = {"RELIANCE": bars("RELIANCE", 2)}
    job = msgspec.structs.replace(result(series).job, strategies=(spec,))

    found = honesty_checks.check_look_ahead(run_backtest(job, series), series, run_backtest)

    assert found.verdict == verdict, found.text
    assert ("later bars" in found.text) is (verdict == "fail")


def test_an_order_that_needs_the_next_bar_is_found() -> None:
    # given an engine whose first order is only decided when the bar after it is there
    def peeking(job: Job, series: Mapping[str, BarSeries]) -> Result:
        made = again(job, series)
        last = series["RELIANCE"].starts[-1] + series["RELIANCE"].interval
        keep = made.order_rows.decided_at < last
        rows = {name: getattr(made.order_rows, name)[keep] for name in made.order_rows.__struct_fields__}
        return msgspec.structs.replace(made, order_rows=msgspec.structs.replace(made.order_rows, **rows))

    found = honesty_checks.check_look_ahead(peeking(result(SERIES).job, SERIES), SERIES, peeking)

    assert found.verdict is CheckVerdict.FAIL
    assert found.text.startswith("mine looks ahead: with the bars after 2026-01-05T")
    assert "appears only with later bars" in found.text


@pytest.mark.parametrize(("count", "verdict"), [(29, "fail"), (30, "warn"), (99, "warn"), (100, "pass")])
def test_few_trades_are_named(count: int, verdict: str) -> None:
    found = honesty_checks.check_trade_count(earning([100] * count))
    assert (found.verdict, found.values["trades"]) == (verdict, count)


@pytest.mark.parametrize(("rupees", "verdict"), [(49, "fail"), (99, "warn"), (101, "pass")])
def test_costs_are_held_against_gross_winnings(rupees: int, verdict: str) -> None:
    assert honesty_checks.check_cost_share(earning([rupees * 100] * 40)).verdict == verdict


def test_a_run_without_costs_is_named() -> None:
    made = result(SERIES)
    free = msgspec.structs.replace(made, job=msgspec.structs.replace(made.job, costs=Costs(bill=Bill.NONE)))
    assert honesty_checks.check_cost_share(free).verdict is CheckVerdict.WARN


@pytest.mark.parametrize(("then", "verdict"), [(90, "pass"), (74, "warn"), (50, "fail")])
def test_one_more_tick_and_one_more_bar_are_run_and_compared(then: int, verdict: str) -> None:
    asked: list[Job] = []

    def worse(job: Job, series: Mapping[str, BarSeries]) -> Result:
        asked.append(job)
        return earning([then * 100] * 40)

    tick = honesty_checks.check_one_tick_worse(earning([10_000] * 40), SERIES, worse)
    bar = honesty_checks.check_one_bar_later(earning([10_000] * 40), SERIES, worse)

    assert (tick.verdict, bar.verdict) == (verdict, verdict)
    assert asked[0].matching.slippage == Slippage(kind=SlippageKind.TICKS, amount=1)
    assert asked[1].matching.latency_bars == 1
    assert tick.values == {"net": 2000, "net_then": (then - 50) * 40}


def test_trades_drawn_again_show_what_might_as_well_have_happened() -> None:
    lucky = earning([5_000 - 10_000] * 39 + [500_000])  # one trade made it all
    steady = earning([10_000, 12_000] * 50)
    assert honesty_checks.check_bootstrap(lucky).verdict is CheckVerdict.WARN
    assert honesty_checks.check_bootstrap(steady).verdict is CheckVerdict.PASS
    assert honesty_checks.check_bootstrap(lucky) == honesty_checks.check_bootstrap(lucky)


def test_the_bootstrap_spreads_as_theory_says() -> None:
    net = np.random.default_rng(3).normal(10, 100, 400)
    found = bootstrap_profit(net, seed=5, draws=4_000)
    assert found.median == pytest.approx(net.sum(), abs=0.1 * net.std() * 20)
    assert found.high - found.low == pytest.approx(2 * 1.645 * net.std() * 20, rel=0.06)


def test_the_deflated_sharpe_of_the_paper_is_met() -> None:
    # given the example of Bailey and Lopez de Prado (2014): yearly Sharpe 2.5 over five years of 250 days, skew -3,
    # kurtosis 10, the best of 100 trials with a yearly variance of 1/2; they find 0.9004
    def moments(daily: np.ndarray) -> tuple[float, float, float]:
        z = (daily - daily.mean()) / daily.std()
        return daily.mean() / daily.std(ddof=1), float((z**3).mean()), float((z**4).mean())

    # a sample with exactly such moments: three points whose shares solve skew and kurtosis
    a, b = (-3 - np.sqrt(4 * 10 - 3 * 9)) / 2, (-3 + np.sqrt(4 * 10 - 3 * 9)) / 2
    weights = np.array([1 / (a * (a - b)), -1 / (b * (a - b))])
    counts = np.round(np.array([*weights, 1 - weights.sum()]) * 1_250).astype(int)
    counts[2] = 1_250 - counts[:2].sum()
    z = np.repeat([a, b, 0.0], counts)
    z = (z - z.mean()) / z.std(ddof=1)
    daily = z + 2.5 / np.sqrt(250)
    assert moments(daily) == pytest.approx((0.1581, -3, 10), rel=0.02)

    found = deflated_sharpe(daily, trials=100, deviation=np.sqrt(0.5 / 250))

    assert found == pytest.approx(0.9004, abs=5e-4)


def test_many_trials_take_the_shine_off_a_sharpe_ratio() -> None:
    daily = np.random.default_rng(1).normal(0.0012, 0.01, 500)
    alone, hundredth = deflated_sharpe(daily), deflated_sharpe(daily, trials=100)
    assert alone is not None
    assert hundredth is not None
    assert alone > 0.95 > hundredth
    assert deflated_sharpe(np.zeros(10)) is None


def test_a_result_without_a_bar_has_nothing_to_judge() -> None:
    made = result(SERIES)
    late = msgspec.structs.replace(made.job, begin=int(SERIES["RELIANCE"].starts[-1]) + 1)
    found = honesty_checks.run_honesty_checks(run_backtest(late, SERIES), SERIES, run_backtest)
    assert {check.verdict for check in found if check.name in ("slippage", "delay", "bootstrap")} == {CheckVerdict.NONE}


def test_all_checks_speak_in_one_sentence_each() -> None:
    found = honesty_checks.run_honesty_checks(result(SERIES), SERIES, lambda job, series: result(series))
    assert [check.name for check in found] == [
        "look_ahead", "protection", "trades", "costs", "slippage", "delay", "bootstrap", "deflated_sharpe",
    ]  # fmt: skip
    assert all(check.text[0].isupper() or check.text[0].isdigit() for check in found)
    assert all(check.text.endswith(".") and "\n" not in check.text for check in found)
