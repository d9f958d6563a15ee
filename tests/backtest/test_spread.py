"""Accounts of one symbol each give the same result in one process, in two, and as backtests of their own."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from tests.backtest.bars_by_hand import job, random_bars
from tests.backtest.test_every_bar import told
from tradebot.backtest import spread
from tradebot.backtest.job import Bill, Costs
from tradebot.backtest.run import run
from tradebot.backtest.spread import run_spread
from tradebot.strategies.loading import load_strategy

SYMBOLS = ("ACME", "BOLT", "CRAB", "DUNE", "ECHO")
EACH = job(
    load_strategy("ema_cross", {"trend": 0.0}), symbols=SYMBOLS, shared=False, costs=Costs(bill=Bill.INDIA)
)  # fmt: skip


def bars(*, ragged: bool = False) -> dict:
    return {name: random_bars(n, 600 - 37 * n * ragged, symbol=name) for n, name in enumerate(SYMBOLS)}


@pytest.mark.parametrize("ragged", [False, True])
def test_two_processes_give_what_one_gives(monkeypatch: pytest.MonkeyPatch, ragged: bool) -> None:
    series = bars(ragged=ragged)
    alone = run_spread(EACH, series)
    monkeypatch.setattr(spread, "PAYS_FROM", 1)

    spread_ = run_spread(EACH, series, workers=2)

    assert alone.counts["fills"] > 40
    assert told(spread_) == told(alone)
    assert spread_.orders_hash == alone.orders_hash


def test_the_whole_is_the_sum_of_backtests_of_one_symbol() -> None:
    series = bars(ragged=True)

    whole = run_spread(EACH, series)

    one_by_one = [
        run(msgspec.structs.replace(EACH, instruments=(instrument,)), series) for instrument in EACH.instruments
    ]
    assert whole.equity_units[-1] == 100_000_00 + sum(int(r.equity_units[-1]) - 100_000_00 for r in one_by_one)
    for number, single in enumerate(one_by_one):
        mine = whole.order_rows.symbol[whole.fill_rows.order] == number
        assert whole.fill_rows.price[mine].tolist() == single.fill_rows.price.tolist()
    assert (np.diff(whole.fill_rows.at) >= 0).all()
    assert len(whole.trades) == sum(len(r.trades) for r in one_by_one)


def test_a_shared_account_without_limits_trades_as_accounts_of_their_own() -> None:
    series = bars()

    shared, each = run(msgspec.structs.replace(EACH, shared=True), series), run_spread(EACH, series)

    assert shared.fills[["ts", "symbol", "qty", "price"]].sort_values(["ts", "symbol"]).values.tolist() == (
        each.fills[["ts", "symbol", "qty", "price"]].sort_values(["ts", "symbol"]).values.tolist()
    )
    assert shared.equity.tolist() == each.equity.tolist()
