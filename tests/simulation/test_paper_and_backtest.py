"""Paper at 600 times the speed against a backtest of the same bars: the same orders; prices alone may differ, as named.

A limit that counted our own seconds would deny at that speed what the backtest sends.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

import numpy as np
import pytest

from tradebot.backtest.job import Job, TradingHours
from tradebot.backtest.result import Result
from tradebot.backtest.run import run_backtest
from tradebot.checker.evidence import read_evidence
from tradebot.checker.order_history import CheckedOrder, orders_from_rows
from tradebot.config import Config
from tradebot.config.desk_settings import desk_settings, gate_limits
from tradebot.config.sections import RiskSection, StrategySection
from tradebot.domain.instrument import Universe
from tradebot.domain.market import Bar, BarBatch, BarSeries
from tradebot.domain.messages import Action
from tradebot.exchange.event_log import read_event_log
from tradebot.journal.recorded_bars import read_bar_batches
from tradebot.simulation import disk, seed_run, session
from tradebot.simulation.scenario import WIDE_PCT, Scenario, draw_scenario
from tradebot.strategies.loading import load_strategy
from tradebot.strategies.strategy import Holding, Intent, Strategy

SPEED, MINUTE = 600.0, 60_000_000_000
HOURS_S = 3.0  # 30 minutes of the market
PIECES = 10
FAR = Decimal("0.01")  # share of the price that a minute and a spread may move it


class Regular(Strategy):
    """Enter and leave by a hash of symbol and minute, always the same quantity: equal orders follow one another."""

    def decide(self, bar: Bar, now: int, position: Holding) -> Intent | None:
        if crc32(f"{bar.symbol} {now}".encode()) % 3:
            return None
        if position.is_flat:
            return Intent(action=Action.ENTER_LONG, quantity=PIECES)
        return Intent(action=Action.EXIT_LONG)


class Fast(Scenario):
    """A calm scenario with that strategy and the limits of a fresh install."""

    def daemon_config(self, state_dir: Path) -> Config:
        config, usual = super().daemon_config(state_dir), RiskSection()
        risk = config.risk.model_copy(
            update={
                name: getattr(usual, name) for name in ("duplicate_window_s", "orders_per_second", "orders_per_minute")
            }
        )
        return config.model_copy(update={"risk": risk, "strategy": (StrategySection(name=f"{__file__}:Regular"),)})


class Day(NamedTuple):
    """What a paper run did with what it was charged by order, and a backtest of the bars that it closed."""

    orders: list[CheckedOrder]
    charges: dict[str, Decimal]
    result: Result


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    folder = tmp_path_factory.mktemp("fast")
    scenario = Fast(*draw_scenario(1))._replace(
        speed=SPEED, interval="1m", kills=(), operator_actions=(), commits_until_failure=0, clock_step_ns=0,
        has_tight_limits=False, order_kind="MARKET", protection_pct=WIDE_PCT, orders_per_day=2_000, holdings=(),
        has_trailing_stops=False, night="", faulty_s=HOURS_S,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seed_run, "draw_scenario", lambda *_: scenario)
        patch.setattr(session, "POLL_S", 0.02)
        patch.setattr(disk, "SLOW_SHARE", 0.0)  # a disk that hesitates for 0.4 s hesitates here for four bars
        outcome = seed_run.run_seed(1, faults="", folder=folder)
    assert outcome.verdict == "ok", outcome.why
    journal = folder / "state-0" / "journal.sqlite3"
    config = scenario.daemon_config(folder)
    told = list(read_bar_batches(journal, MINUTE))
    found, _ = orders_from_rows(read_evidence(journal).journal)
    # What is decided at the last close has a next bar on paper alone.
    orders = [order for order in found.values() if decided_at(order) < told[-1][1].ends_at]
    log = list(read_event_log(folder / "exchange.jsonl"))
    tags = {line["order_id"]: line["ticket"]["tag"] for line in log if line["kind"] == "order"}
    charges = {tags[line["order_id"]]: Decimal(line["charges"]) for line in log if line["kind"] == "fill"}
    return Day(orders, charges, backtest(told, config))


def decided_at(order: CheckedOrder) -> int:
    return int(order.request["signal_id"].split("/")[2])


def backtest(told: list[tuple[Universe, BarBatch]], config: Config) -> Result:
    universe, closed, series = told[0][0], [batch for _, batch in told], dict[str, BarSeries]()
    for id_, instrument in enumerate(universe):
        rows = [(batch, int(np.flatnonzero(batch.ids == id_)[0])) for batch in closed if id_ in batch.ids]
        columns = {
            name: np.array([getattr(batch, name)[row] for batch, row in rows])
            for name in ("open", "high", "low", "close", "volume")
        }
        starts = np.array([batch.starts_at for batch, _ in rows])
        series[instrument.symbol] = BarSeries(symbol=instrument.symbol, interval=MINUTE, starts=starts, **columns)
    job = Job(
        strategies=(load_strategy(f"{__file__}:Regular", {}),), instruments=tuple(universe), interval=MINUTE,
        cash=config.exchange.cash, limits=gate_limits(config), desk=desk_settings(config, most_changes=25),
        hours=TradingHours(market="nse"),
    )  # fmt: skip
    return run_backtest(job, series)


def sign_of(side: str) -> int:
    return 1 if side == "SELL" else -1


def test_the_same_orders_leave_at_the_same_closes_and_none_is_denied(day: Day) -> None:
    theirs = day.result.orders
    paper = [(o.symbol, o.request["side"], int(o.quantity), o.purpose, decided_at(o), o.state) for o in day.orders]
    tested = [
        (row.symbol, row.side, int(row.qty), row.purpose, row.decided_at.value, row.state)
        for row in theirs.head(len(paper)).itertuples()
    ]
    assert len(paper) >= 20
    assert paper == tested
    assert day.result.denials == ()


def test_profit_differs_by_the_prices_of_fills_and_the_taxes_on_them_and_by_nothing_else(day: Day) -> None:
    moved, by_price, by_taxes, profit, tested_profit = 0, Decimal(0), Decimal(0), Decimal(0), Decimal(0)
    for order, fill in zip(day.orders, day.result.fills.head(len(day.orders)).itertuples(), strict=True):
        (row,) = order.fills
        paper, tested = Decimal(row.body["execution"]["price"]), Decimal(str(round(fill.price, 2)))
        charged, tested_charges = day.charges[order.order_id], Decimal(str(round(fill.charges, 2)))
        assert (order.symbol, int(order.filled_quantity)) == (fill.symbol, int(fill.qty))
        assert abs(paper - tested) <= tested * FAR, "an order fills within the minute behind its close"
        moved += paper != tested
        by_price += (paper - tested) * PIECES * sign_of(fill.side)
        by_taxes += charged - tested_charges
        profit += paper * PIECES * sign_of(fill.side) - charged
        tested_profit += tested * PIECES * sign_of(fill.side) - tested_charges
    assert profit == tested_profit + by_price - by_taxes
    assert 0 < moved <= len(day.orders), "a book has a spread, and the way to it takes time"
    assert abs(by_taxes) <= Decimal("0.02") * len(day.orders), "they follow the value and nothing else"
