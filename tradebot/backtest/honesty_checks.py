"""The honesty checks of a backtest: each tests one way in which a result can deceive, some by a second run.

They judge and never change a figure. Their bounds are rules of thumb, and each check's sentence states them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from tradebot.backtest import metrics
from tradebot.backtest.check import Check, CheckVerdict, verdict_at_least
from tradebot.backtest.job import Bill, Job
from tradebot.backtest.result import Result
from tradebot.backtest.significance import bootstrap_profit, deflated_sharpe
from tradebot.clock import format_iso
from tradebot.domain.market import BarSeries
from tradebot.domain.order import OrderPurpose
from tradebot.exchange.slippage import Slippage, SlippageKind
from tradebot.history.interval import shortest_step
from tradebot.strategies.loading import StrategySpec
from tradebot.strategies.strategy import Strategy
from tradebot.trading.desk.gate.level_controls import ValidLevels

RunBacktest = Callable[[Job, Mapping[str, BarSeries]], Result]
FEW_TRADES, SOME_TRADES = 30, 100  # below the first, chance decides; above the second it seldom does
COSTLY_SHARE, RUINOUS_SHARE = 0.5, 1.0  # costs as a share of gross winnings
HISTORY_CUTS = 4  # reruns on shorter histories, each ending where the whole run decided something
PASS_PROBABILITY, WARN_PROBABILITY = 0.95, 0.75
LATER_BARS = "later bars"  # part of the fault text of a FrameStrategy that used later bars


def run_honesty_checks(
    result: Result,
    series: Mapping[str, BarSeries],
    run: RunBacktest,
    *,
    trials: int = 1,
    deviation: float | None = None,
    seed: int = 1,
) -> list[Check]:
    """Return every check of a result; `run` computes a job again, `trials` is how many were tried to find this one.

    `deviation` is the standard deviation of the trials' daily Sharpe ratios, see `significance.deflated_sharpe`.
    """
    return [
        check_look_ahead(result, series, run),
        check_protection(result),
        check_trade_count(result),
        check_cost_share(result),
        check_one_tick_worse(result, series, run),
        check_one_bar_later(result, series, run),
        check_bootstrap(result, seed=seed),
        check_deflated_sharpe(result, trials=trials, deviation=deviation),
    ]


def check_look_ahead(result: Result, series: Mapping[str, BarSeries], run: RunBacktest) -> Check:
    """Check that no order depends on later bars: compare this run with runs on histories that end earlier."""
    make_check = _saying("look_ahead", "Look-ahead")
    free = [spec.name for spec in result.job.strategies if not _only_rules(spec)]
    if not free:
        return make_check(CheckVerdict.PASS, "Rules can only reach the past: no order can depend on a later bar.")
    caught = next((fault for fault in result.faults if LATER_BARS in fault), None)
    if caught is not None:  # every run calls a FrameStrategy again with only the bars it would have had
        return make_check(CheckVerdict.FAIL, f"{caught[0].upper()}{caught[1:]}.")
    whole = _decisions(result)
    cuts = _cuts(whole)
    if not cuts:
        return make_check(CheckVerdict.NONE, "No order was decided, so there is nothing that could have looked ahead.")
    for cut in cuts:
        past = {symbol: _until(one, cut) for symbol, one in series.items()}
        shorter = _decisions(run(result.job, past))
        if changed := _changed(_up_to(whole, cut), _up_to(shorter, cut), result):
            text = f"{', '.join(free)} looks ahead: with the bars after {_iso(cut, result)} left out, {changed}"
            return make_check(CheckVerdict.FAIL, text, cut=cut)
    ends = f"{len(cuts)} shorter histor{'y' if len(cuts) == 1 else 'ies'}"
    return make_check(
        CheckVerdict.PASS, f"{ends} ending at its own decisions gave the same orders up to there.", cuts=len(cuts)
    )


def check_protection(result: Result) -> Check:
    """Name the strategies whose entries were denied because their stop or target cannot protect a position."""
    make_check = _saying("protection", "Stops and targets")
    wrong = [denial for denial in result.denials if denial.control == ValidLevels.name]
    if not wrong:
        return make_check(CheckVerdict.PASS, "Every stop and target that an entry came with could guard its position.")
    count = sum(denial.count for denial in wrong)
    reasons = "; ".join(f"{d.strategy} {d.count:,} times, first because {d.reason.partition(': ')[2]}" for d in wrong)
    text = f"Entries were refused for a stop or target that cannot guard them: {reasons}."
    return make_check(CheckVerdict.FAIL, text, denied=count)


def check_trade_count(result: Result) -> Check:
    """Judge whether there are enough trades to tell skill from chance."""
    count = len(result.trade_rows)
    make_check = _saying("trades", "Number of trades")
    bounds = f"below {FEW_TRADES} chance decides, above {SOME_TRADES} it seldom does"
    verdict = (
        CheckVerdict.FAIL if count < FEW_TRADES else CheckVerdict.WARN if count < SOME_TRADES else CheckVerdict.PASS
    )
    return make_check(verdict, f"{count:,} closed trade{'s' if count != 1 else ''}; {bounds}.", trades=count)


def check_cost_share(result: Result) -> Check:
    """Judge the share of the gross winnings that costs take, and whether any costs were charged."""
    make_check = _saying("costs", "Costs")
    if result.job.costs.bill is Bill.NONE:
        return make_check(
            CheckVerdict.WARN, "Trading was free in this run; no broker and no tax office works like that."
        )
    share = metrics.trade_figures(result.trades)["cost_share"]
    if share is None:
        return make_check(CheckVerdict.NONE, "There were no gross winnings for costs to take from.")
    verdict = (
        CheckVerdict.FAIL
        if share >= RUINOUS_SHARE
        else CheckVerdict.WARN
        if share >= COSTLY_SHARE
        else CheckVerdict.PASS
    )
    return make_check(verdict, f"Costs take {share:.0%} of the gross winnings of the trades that won.", share=share)


def check_one_tick_worse(result: Result, series: Mapping[str, BarSeries], run: RunBacktest) -> Check:
    """Run again with every fill one tick worse, and judge the profit that is left."""
    make_check = _saying("slippage", "One tick worse")
    slippage = _one_tick_more(result.job, series)
    if slippage is None:
        return make_check(CheckVerdict.NONE, "Slippage by volume moves every fill already; a tick more was not tried.")
    note = " This run fills at the bar's price." if result.job.matching.slippage.kind is SlippageKind.NONE else ""
    job = msgspec.structs.replace(result.job, matching=msgspec.structs.replace(result.job.matching, slippage=slippage))
    return _compared(make_check, result, run(job, series), "with every fill one tick worse", note)


def check_one_bar_later(result: Result, series: Mapping[str, BarSeries], run: RunBacktest) -> Check:
    """Run again with every order one bar later, and judge the profit that is left."""
    matching = result.job.matching
    later = msgspec.structs.replace(matching, latency_bars=matching.latency_bars + 1)
    job = msgspec.structs.replace(result.job, matching=later)
    return _compared(_saying("delay", "One bar later"), result, run(job, series), "with every order one bar later", "")


def check_bootstrap(result: Result, *, seed: int = 1) -> Check:
    """Draw the trades again at random, and judge whether a loss was as likely."""
    make_check = _saying("bootstrap", "Trades drawn again")
    net = result.trades["net"].to_numpy(np.float64)
    if len(net) < 2:
        return make_check(CheckVerdict.NONE, "Fewer than two trades: there is nothing to draw from.")
    found = bootstrap_profit(net, seed=seed)
    verdict = CheckVerdict.PASS if found.low > 0 else CheckVerdict.WARN if found.median > 0 else CheckVerdict.FAIL
    text = (
        f"The same trades drawn again at random give {found.low:,.0f} to {found.high:,.0f} {result.job.currency} "
        f"nine times in ten, and lose money {found.loss_share:.0%} of the time."
    )
    return make_check(
        verdict, text, low=found.low, middle=found.median, high=found.high, loses=found.loss_share, seed=seed
    )


def check_deflated_sharpe(result: Result, *, trials: int, deviation: float | None) -> Check:
    """Judge the Sharpe ratio against the best that `trials` trials show by luck alone."""
    make_check = _saying("deflated_sharpe", "Luck of the search")
    daily = metrics.daily_returns(result.equity, cash=float(result.job.cash))
    chance = deflated_sharpe(daily, trials=trials, deviation=deviation)
    if chance is None:
        return make_check(CheckVerdict.NONE, "Too few days, or no movement: the Sharpe ratio cannot be judged.")
    verdict = verdict_at_least(chance, passes=PASS_PROBABILITY, warns=WARN_PROBABILITY)
    against = "of one trial" if trials == 1 else f"of the best of {trials:,} trials"
    text = (
        f"The Sharpe ratio is above the luck {against} with a probability of {chance:.0%} over {len(daily):,} returns."
    )
    return make_check(verdict, text, probability=chance, trials=trials, days=len(daily))


def _saying(name: str, title: str) -> Callable[..., Check]:
    def said(verdict: CheckVerdict, text: str, **values: float) -> Check:
        return Check(name=name, title=title, verdict=verdict, text=text, values=values)

    return said


def _compared(said: Callable[..., Check], result: Result, again: Result, how: str, note: str) -> Check:
    before, after = (_profit(one) for one in (result, again))
    money = result.job.currency
    values = {"net": before, "net_then": after}
    if before <= 0:
        return said(CheckVerdict.NONE, f"There is no profit to lose; {how} it is {after:,.0f} {money}.{note}", **values)
    text = f"{how.capitalize()} the profit goes from {before:,.0f} to {after:,.0f} {money}.{note}"
    verdict = CheckVerdict.FAIL if after <= 0 else CheckVerdict.WARN if after < before / 2 else CheckVerdict.PASS
    return said(verdict, text, **values)


def _profit(result: Result) -> float:
    worth = result.equity
    return float(worth.iloc[-1]) - float(result.job.cash) if len(worth) else 0.0


def _one_tick_more(job: Job, series: Mapping[str, BarSeries]) -> Slippage | None:
    kind, amount = job.matching.slippage.kind, job.matching.slippage.amount
    if kind is SlippageKind.NONE:
        return Slippage(kind=SlippageKind.TICKS, amount=Decimal(1))
    if kind is SlippageKind.TICKS:
        return Slippage(kind=kind, amount=amount + 1)
    # These kinds are a share of the price. A tick's share differs by symbol, so the largest is taken.
    closes = {symbol: one.close for symbol, one in series.items() if len(one)}
    shares = [
        i.tick_size / i.price_from_units(int(np.median(closes[i.symbol])))
        for i in job.instruments
        if i.symbol in closes
    ]
    whole = {SlippageKind.BPS: Decimal(10_000), SlippageKind.SPREAD: Decimal(200)}.get(kind)
    if whole is None or not shares:
        return None
    return Slippage(kind=kind, amount=amount + round(max(shares) * whole, 6))


def _only_rules(spec: StrategySpec) -> bool:
    kind = spec.load_class()
    return kind.decide is Strategy.decide and not kind.takes_frames


Decision = tuple[str, str, str, str, float, int]  # symbol, strategy, side, purpose, quantity, decided at


def _decisions(result: Result) -> set[Decision]:
    orders = result.orders
    is_decision = orders["purpose"].astype(str).isin([OrderPurpose.ENTRY.value, OrderPurpose.EXIT.value])
    at = result.order_rows.decided_at[is_decision.to_numpy()].tolist()
    columns = [orders.loc[is_decision, name].astype(str).tolist() for name in ("symbol", "strategy", "side", "purpose")]
    return set(zip(*columns, orders.loc[is_decision, "qty"].tolist(), at, strict=True))


def _cuts(decisions: set[Decision]) -> list[int]:
    # Histories end where the whole run decided. A strategy that uses the next bar decides otherwise there, because that
    # bar is missing.
    times = sorted({row[-1] for row in decisions})
    return sorted({times[round(i)] for i in np.linspace(0, len(times) - 1, HISTORY_CUTS)}) if times else []


def _up_to(decisions: set[Decision], cut: int) -> set[Decision]:
    return {row for row in decisions if row[-1] <= cut}


def _changed(whole: set[Decision], shorter: set[Decision], result: Result) -> str:
    changes = whole ^ shorter
    if not changes:
        return ""
    symbol, _, side, purpose, _, at = min(changes, key=lambda row: row[-1])
    what = "appears only with" if changes & whole else "disappears with"
    return f"the past changes; the {side} order ({purpose}) of {symbol} at {_iso(at, result)} {what} later bars."


def _until(series: BarSeries, end: int) -> BarSeries:
    rows = int(np.searchsorted(series.starts + shortest_step(series.interval), end, side="right"))
    return series.select_bars(slice(rows))


def _iso(at: int, result: Result) -> str:
    return format_iso(at, ZoneInfo(result.job.zone))[:19]
