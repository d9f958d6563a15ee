"""Accounts of one symbol each give the same result in one process, in two, and as backtests of their own."""

from __future__ import annotations

import os
import select
import subprocess
import sys

import msgspec
import numpy as np
import pytest

from tests.backtest.parallel_accounts import EACH, bars
from tests.backtest.random_runs import comparable
from tradebot.backtest import parallel
from tradebot.backtest.parallel import run_parallel
from tradebot.backtest.run import run_backtest


@pytest.mark.parametrize("ragged", [False, True])
def test_two_processes_give_what_one_gives(monkeypatch: pytest.MonkeyPatch, ragged: bool) -> None:
    series = bars(ragged=ragged)
    alone = run_parallel(EACH, series)
    monkeypatch.setattr(parallel, "MIN_PARALLEL_BARS", 1)

    spread_ = run_parallel(EACH, series, workers=2)

    assert alone.counts["fills"] > 40
    assert comparable(spread_) == comparable(alone)
    assert spread_.orders_hash == alone.orders_hash


@pytest.mark.skipif(sys.platform != "linux", reason="a process is waited for by its pidfd")
@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_workers_end_with_a_backtest_that_is_killed(way: str) -> None:
    # given a backtest whose workers tell who they are and then hang
    script = f"""
import threading
from tests.backtest.parallel_accounts import EACH, Hanging, bars
from tradebot.backtest import parallel
if __name__ == "__main__":
    parallel.MIN_PARALLEL_BARS = 1
    if {way == "spawn"}:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    parallel.run_parallel(Hanging.job(), bars(), workers=2)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        told = {int(parent.stdout.readline()) for _ in range(2)}
        workers = [os.pidfd_open(pid) for pid in told]

        # when
        parent.kill()

    # then
    assert len(workers) == 2
    for worker in workers:
        assert select.select([worker], [], [], 50)[0], "a worker outlives its backtest"
        os.close(worker)


def test_the_whole_is_the_sum_of_backtests_of_one_symbol() -> None:
    series = bars(ragged=True)

    whole = run_parallel(EACH, series)

    one_by_one = [
        run_backtest(msgspec.structs.replace(EACH, instruments=(instrument,)), series)
        for instrument in EACH.instruments
    ]
    assert whole.equity_units[-1] == 100_000_00 + sum(int(r.equity_units[-1]) - 100_000_00 for r in one_by_one)
    for number, single in enumerate(one_by_one):
        mine = whole.order_rows.symbol[whole.fill_rows.order] == number
        assert whole.fill_rows.price[mine].tolist() == single.fill_rows.price.tolist()
    assert (np.diff(whole.fill_rows.at) >= 0).all()
    assert len(whole.trades) == sum(len(r.trades) for r in one_by_one)


def test_a_shared_account_without_limits_trades_as_accounts_of_their_own() -> None:
    series = bars()

    shared, each = run_backtest(msgspec.structs.replace(EACH, shared=True), series), run_parallel(EACH, series)

    assert shared.fills[["ts", "symbol", "qty", "price"]].sort_values(["ts", "symbol"]).values.tolist() == (
        each.fills[["ts", "symbol", "qty", "price"]].sort_values(["ts", "symbol"]).values.tolist()
    )
    assert shared.equity.tolist() == each.equity.tolist()
