"""How many workers `auto` means: one for isolation, more only for work that is worth the way."""

import pytest

from tradebot.strategies import loading
from tradebot.strategies.strategy import Strategy
from tradebot.trading.analysis.worker_count import choose_worker_count


class Deciding(Strategy):
    def decide(self, bar, now, position):
        return None


@pytest.mark.parametrize(
    ("name", "symbols", "cores", "workers", "says"),
    [
        ("ema_cross", 50, 8, 1, "as fast as several"),
        ("ema_cross", 5000, 1, 1, "as fast as several"),
        ("deciding", 1000, 8, 5, "in parts of 5 ms"),
        ("deciding", 5000, 4, 3, "one is left to the event loop"),
        ("deciding", 5000, 1, 1, "one is left to the event loop"),
    ],
)
def test_more_work_gets_more_workers_and_a_core_is_left(monkeypatch, name, symbols, cores, workers, says):
    monkeypatch.setitem(loading.SHIPPED_STRATEGIES, "deciding", Deciding)
    found, reason = choose_worker_count([loading.load_strategy(name)], symbols, cores)
    assert found == workers
    assert says in reason


def test_without_strategies_one_is_there():
    assert choose_worker_count([], 50, 8)[0] == 1


def test_a_strategy_of_few_symbols_counts_for_these():
    few = loading.load_strategy("ema_cross", symbols=["A"])
    assert choose_worker_count([few], 5000, 8)[1].startswith("about 0.0 ms")
