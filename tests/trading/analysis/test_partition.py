"""The rules of a partition: when an entry may fire, what goes out with it, what a wrong answer costs."""

from decimal import Decimal

import numpy as np
import pytest

from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import BarBatch
from tradebot.domain.messages import Action, Signal
from tradebot.indicators.expressions import Bars, lag
from tradebot.strategies import loading
from tradebot.strategies.strategy import Holding, Intent, Rules, Strategy
from tradebot.trading.analysis import worker
from tradebot.trading.analysis.partition import Partition, PartitionSetup
from tradebot.trading.analysis.signal_batch import SignalBatch, WorkerResult
from tradebot.trading.analysis.waiting_symbols import CloseRows

MINUTE = 60 * SECOND


class Ruled(Strategy):
    def rules(self, bars: Bars) -> Rules:
        above = bars.close > 10
        return Rules(
            enter_long=above,
            exit_long=bars.close > 20,
            enter_short=~above,
            stop_loss=(lag(bars.close, 2), bars.high + 1),
        )


class Deciding(Strategy):
    answer: object = None

    def decide(self, bar: object, now: int, position: Holding) -> object:
        return type(self).answer


@pytest.fixture
def share(monkeypatch):
    monkeypatch.setitem(loading.SHIPPED_STRATEGIES, "ruled", Ruled)
    monkeypatch.setitem(loading.SHIPPED_STRATEGIES, "deciding", Deciding)

    def build(*names: str) -> Partition:
        return Partition(
            PartitionSetup((4,), (Instrument(symbol="A"),), tuple(loading.load_strategy(n) for n in names), MINUTE)
        )

    return build


def feed(partition: Partition, closes: list[int]) -> list[WorkerResult]:
    ids = np.array([4])
    bars = [np.array([[c], [c + 100], [c - 100], [c], [7]]) for c in closes]
    return [partition.process_close(CloseRows(t * MINUTE, ids, bar, {})) for t, bar in enumerate(bars, 1)]


def rows(answer: WorkerResult) -> tuple[Signal, ...]:
    universe = Universe(Instrument(symbol=name) for name in "VWXYA")
    none = np.array([], dtype=np.int64)
    columns = dict.fromkeys(("ids", "open", "high", "low", "close", "volume", "ticks"), none)
    batch = BarBatch(interval=MINUTE, ends_at=MINUTE, seen_at=0, quoted_at=0, **columns)
    return SignalBatch(batch, universe, answer.signals, (), 0).as_message().signals


def test_an_entry_waits_until_its_stop_is_known(share):
    answers = feed(share("ruled"), [1100, 1200, 1300])
    assert [[(row.action, row.stop_loss) for row in rows(a)] for a in answers] == [[], [], [("enter_long", 11.0)]]


def test_an_exit_that_holds_keeps_the_entry_of_its_side_away(share):
    answers = feed(share("ruled"), [1100, 1200, 2500])
    assert [(row.action, row.close) for row in rows(answers[2])] == [("exit_long", 25.0)]


def test_a_pair_protects_each_side_with_its_own_level(share):
    (answer,) = feed(share("ruled"), [900])
    assert [(row.symbol, row.action, row.stop_loss) for row in rows(answer)] == [("A", "enter_short", 11.0)]


def test_decide_may_answer_with_several_intents_and_exits_go_first(share, monkeypatch):
    intents = [
        Intent(Action.ENTER_SHORT, stop_loss=Decimal("9.5"), quantity=Decimal(3)),
        Intent(Action.EXIT_LONG),
        Intent(Action.EXIT_LONG, target=1.0),
    ]
    monkeypatch.setattr(Deciding, "answer", intents)
    (answer,) = feed(share("deciding"), [900])
    assert [(r.action, r.stop_loss, r.quantity, r.target) for r in rows(answer)] == [
        ("exit_long", None, None, None),
        ("enter_short", 9.5, 3.0, None),
    ]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("buy", "TypeError: decide() must return Intents, returned str"),
        (7, "TypeError: 'int' object is not iterable"),
        (Intent(Action.ENTER_LONG, stop_loss=float("nan")), "ValueError: stop_loss must be a finite number, was nan"),
        (Intent("sideways"), "ValueError: 'sideways' is not a valid Action"),
    ],
)
def test_a_wrong_answer_switches_the_strategy_off_and_says_why(share, monkeypatch, wrong, reason):
    monkeypatch.setattr(Deciding, "answer", wrong)
    answers = feed(share("deciding"), [900, 900])
    assert [a.signals for a in answers] == [[], []]
    assert [a.faults for a in answers] == [[("deciding", 4, reason)], []]


def test_a_job_before_its_share_is_a_mistake_of_ours():
    with pytest.raises(AssertionError, match="step before load"):
        worker.process_close(CloseRows(0, np.array([0]), np.zeros((5, 1), dtype=np.int64), {}))
