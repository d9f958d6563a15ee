"""The files of a new folder, by name: settings, schema, a strategy with its test, and what git leaves out."""

from __future__ import annotations

from tradebot.config import Config, StrategySection
from tradebot.config.document import render_toml, schema_text

STRATEGY_NAME = "strategies/my_strategy.py:MyStrategy"
CONFIG_HEADER = """\
#:schema ./tradebot.schema.json
# Every setting with its default; delete what you do not change. Later sources win: this file, credential files,
# TRADEBOT_SECTION__KEY in the environment, options. `tradebot config check` tests it, `tradebot doctor` looks at the
# machine as well. No key belongs in here, but into the environment or into credential files.
"""

STRATEGY = '''\
"""My strategy: long while the fast average is above the slow one."""

from tradebot.indicators.expressions import Bars, crossed_above, crossed_below, ta
from tradebot.strategies.strategy import Param, Rules, Strategy


class MyStrategy(Strategy):
    """Buy when the fast average crosses above the slow one, sell when it crosses back; the stop is two ATRs away."""

    fast = Param(9, low=2, high=50)
    slow = Param(21, low=5, high=200)
    stop_atr = Param(2.0, low=0.5, high=10.0)

    def rules(self, bars: Bars) -> Rules:
        """Return when to enter and to exit, and the stop, as expressions over closed bars."""
        fast, slow = ta.EMA(bars.close, self.fast), ta.EMA(bars.close, self.slow)
        return Rules(
            enter_long=crossed_above(fast, slow),
            exit_long=crossed_below(fast, slow),
            stop_loss=bars.close - self.stop_atr * ta.ATR(bars, 14),
        )
'''

TEST = '''\
"""The test of my strategy, on prices made by hand: it is known what should happen.

    python -m unittest discover strategies
"""

import unittest

import pandas as pd
import tradebot
from my_strategy import MyStrategy


def minutes(closes: list[float]) -> pd.DataFrame:
    """Return one-minute bars of a morning with these closes."""
    times = pd.date_range("2026-01-05 09:15", periods=len(closes), freq="1min", tz="Asia/Kolkata")
    frame = pd.DataFrame({"open": closes, "close": closes, "volume": 1000}, index=times)
    frame["high"], frame["low"] = frame["close"] + 0.2, frame["close"] - 0.2
    return frame


class MyStrategyTest(unittest.TestCase):
    """What the strategy does in a market that falls, rises, and falls again."""

    def setUp(self) -> None:
        """Trade one morning: down by ten, up by fifteen, down by fifteen."""
        down, up = [110 - i / 6 for i in range(60)], [100 + i / 4 for i in range(60)]
        self.tested = tradebot.backtest(MyStrategy, minutes([*down, *up, *reversed(up)]))

    def test_it_buys_the_rise_and_sells_it_again(self) -> None:
        """One trade, which made money before its charges."""
        (trade,) = self.tested.trades.to_dict("records")
        self.assertGreater(trade["exit_price"], trade["entry_price"])

    def test_it_never_buys_without_a_stop_below_the_price(self) -> None:
        """Each purchase of the morning has its stop, below what was paid."""
        orders = self.tested.orders
        bought = orders[orders["side"] == "BUY"]
        self.assertEqual(len(bought), 1)
        self.assertTrue((bought["stop"] > 0).all())
        self.assertLess(bought["stop"].max(), self.tested.trades["entry_price"].min())

    def test_it_waits_while_the_market_falls(self) -> None:
        """Nothing is traded in a market that only falls."""
        self.assertTrue(tradebot.backtest(MyStrategy, minutes([110 - i / 6 for i in range(120)])).trades.empty)


if __name__ == "__main__":
    unittest.main()
'''

IGNORED = """\
# State of the runs, which holds the login of the broker: never publish it.
/state*/
login-*.json
*.tradebot-backup
# Keys.
/credentials/
*.env
.env
# What commands write.
*.html
__pycache__/
.venv/
"""

NEXT_COMMANDS = (
    "python -m unittest discover strategies",
    f"tradebot backtest --strategy {STRATEGY_NAME} --sample",
    "tradebot run --for 1m",
)


def starter_files() -> dict[str, str]:
    """Return the text of each file by its path below the new folder."""
    config = Config(strategy=(StrategySection(name=STRATEGY_NAME),))
    return {
        "config.toml": render_toml(config, head=CONFIG_HEADER),
        "tradebot.schema.json": schema_text(),
        "strategies/my_strategy.py": STRATEGY,
        "strategies/test_my_strategy.py": TEST,
        ".gitignore": IGNORED,
    }
