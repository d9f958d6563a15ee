"""Where rules fire: one definition for the symbols of a close and for the bars of a history."""

import numpy as np

from tradebot.domain.messages import Action
from tradebot.indicators.expressions import Bars, lag
from tradebot.indicators.plan import ExpressionPlan, evaluate_history
from tradebot.strategies.signal_masks import evaluate_rules
from tradebot.strategies.strategy import Rules

BARS = Bars()


def test_rules_fire_over_a_history_where_they_would_bar_by_bar():
    close = np.array([5.0, 11.0, 12.0, 25.0, 9.0])
    rules = Rules(
        enter_long=BARS.close > 10,
        exit_long=BARS.close > 20,
        enter_short=BARS.close < 10,
        stop_loss=(lag(BARS.close, 2), BARS.high),
    )
    found = evaluate_rules(
        rules, evaluate_history(ExpressionPlan(rules.root_nodes), np.stack([close] * 5), np.arange(5))
    )
    assert {action: np.flatnonzero(mask).tolist() for action, mask in found.when.items()} == {
        Action.ENTER_LONG: [2],  # 1 has no stop yet, at 3 the exit holds
        Action.EXIT_LONG: [3],
        Action.ENTER_SHORT: [0, 4],
    }
    assert found.levels[Action.ENTER_LONG]["stop_loss"][2] == 5.0
    assert found.levels[Action.ENTER_SHORT]["stop_loss"][4] == 9.0
    assert found.levels[Action.EXIT_LONG] == {}
