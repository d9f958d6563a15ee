"""From a name or a file to a strategy, and the one sentence for each way it can fail."""

import pickle
from decimal import Decimal

import pytest

from tradebot.errors import ConfigError, DataError
from tradebot.strategies import loading
from tradebot.strategies.loading import SHIPPED_STRATEGIES, StrategySpec, load_strategy
from tradebot.strategies.strategy import Strategy

GOOD = """
from tradebot.indicators.expressions import ta
from tradebot.strategies.strategy import Param, Rules, Strategy

class Mine(Strategy):
    period = Param(10, low=2, high=20)
    ratio = Param(0.5)
    kind = Param("fast", choices=("fast", "slow"))

    def rules(self, bars):
        return Rules(enter_long=bars.close > ta.SMA(bars.close, self.period) * self.ratio)
"""


def test_a_shipped_strategy_is_loaded_by_its_name_with_its_defaults():
    spec = load_strategy("ema_cross")
    assert (spec.name, spec.params["fast"], spec.params["slow"]) == ("ema_cross", 12, 26)
    assert isinstance(spec.create_strategy(), SHIPPED_STRATEGIES["ema_cross"])


def test_a_file_is_loaded_by_path_and_class_and_its_spec_travels(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(GOOD)
    spec = load_strategy(f"{file}:Mine", {"period": 5, "ratio": 1})
    assert spec.name == "Mine"
    assert spec.params == {"period": 5, "ratio": 1.0, "kind": "fast"}
    file.write_text("raise SystemExit")  # a worker rebuilt later runs what was loaded
    travelled: StrategySpec = pickle.loads(pickle.dumps(spec))
    made = travelled.create_strategy()
    assert (made.period, made.ratio) == (5, 1.0)
    assert isinstance(made, Strategy)


def test_the_class_may_be_left_out_when_there_is_one(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(GOOD)
    assert load_strategy(str(file)).name == "Mine"
    assert load_strategy(str(file), name="other").name == "other"
    file.write_text(GOOD + "class Two(Mine): pass\n")
    with pytest.raises(DataError, match="it defines Mine, Two"):
        load_strategy(str(file))


def test_parameters_of_two_objects_do_not_touch_and_a_subclass_inherits(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(GOOD + "class Two(Mine):\n    period = Param(3)\n    extra = Param(True)\n")
    mine, two = (
        load_strategy(f"{file}:Mine", {"period": 7}).create_strategy(),
        load_strategy(f"{file}:Two").create_strategy(),
    )
    assert (mine.period, two.period, two.kind, two.extra) == (7, 3, "fast", True)
    with pytest.raises(AttributeError, match="set when the strategy is loaded"):
        mine.period = 8


@pytest.mark.parametrize("kind", ["float", "Decimal"])
def test_a_fraction_is_a_float_also_where_the_config_keeps_it_exact(tmp_path, kind):
    file = tmp_path / "mine.py"
    file.write_text(GOOD)
    spec = load_strategy(f"{file}:Mine", {"ratio": {"float": float, "Decimal": Decimal}[kind]("0.25")})
    assert repr(spec.params["ratio"]) == "0.25"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"period": Decimal("5.5")}, "period must be a int, was Decimal"),
        ({"perod": 5}, r"has no parameter perod; did you mean period\?; it has period, ratio, kind"),
        ({"period": 1}, "period must be from 2 to 20, was 1"),
        ({"period": 5.0}, "period must be a int, was 5.0"),
        ({"period": True}, "period must be a int, was True"),
        ({"ratio": float("nan"), "period": 21}, "must be from 2 to 20"),
        ({"kind": "fats"}, "kind must be one of 'fast', 'slow', was 'fats'"),
    ],
)
def test_a_wrong_parameter_is_a_config_error(tmp_path, params, says):
    file = tmp_path / "mine.py"
    file.write_text(GOOD)
    with pytest.raises(ConfigError, match=says):
        load_strategy(f"{file}:Mine", params)


@pytest.mark.parametrize(
    ("code", "reference", "says"),
    [
        (None, "mine.py:Mine", r"strategy file .*mine.py does not exist"),
        ("x = (\n", "mine.py:Mine", r"mine.py:1: '\(' was never closed"),
        ("\n\nimport nosuchmodule\n", "mine.py:Mine", "mine.py:3: ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("raise SystemExit(2)", "mine.py:Mine", "mine.py:1: SystemExit: 2"),
        (GOOD, "mine.py:Mien", r"has no class Mien; did you mean Mine\?"),
        ("class Mine: pass", "mine.py:Mine", "Mine in .* is not a Strategy"),
        ("", "mine.py", "it defines none"),
        (GOOD.replace("bars.close >", "bars.clos >"), "mine.py:Mine", "rules.. fails at line 11: AttributeError"),
        (
            GOOD.replace("return Rules(", "return dict("),
            "mine.py:Mine",
            "rules.. must return Rules, returned dict$",
        ),
        (GOOD.replace("def rules", "def rule"), "mine.py:Mine", "Mine decides nothing: write rules.. or decide.., or"),
        (GOOD.replace("def rules(self, bars)", "def __init__(self, bars)"), "mine.py:Mine", "Mine decides nothing"),
        (
            GOOD + "    def __init__(self): 1 / 0\n",
            "mine.py:Mine",
            "making it fails at line 12: ZeroDivisionError",
        ),
        (GOOD.replace("enter_long=", "enter_long=7 #"), "mine.py:Mine", "never closed"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_data_error_with_its_line(tmp_path, code, reference, says):
    if code is not None:
        (tmp_path / "mine.py").write_text(code)
    with pytest.raises(DataError, match=says):
        load_strategy(f"{tmp_path}/{reference}")


def test_an_unknown_name_suggests_the_nearest_and_lists_the_shipped():
    with pytest.raises(DataError, match=r"no strategy ema_cros; did you mean ema_cross\?; shipped are ema_cross, "):
        load_strategy("ema_cros")


def test_parameters_that_do_not_go_together_are_a_config_error():
    with pytest.raises(ConfigError, match=r"ema_cross: fast \(40\) must be below slow \(26\)"):
        load_strategy("ema_cross", {"fast": 40})


def test_a_param_whose_default_is_out_of_its_own_bounds_is_refused_where_it_is_written(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(GOOD.replace("Param(10,", "Param(1,"))
    with pytest.raises(DataError, match=r"mine.py:6: ValueError: must be from 2 to 20, was 1"):
        load_strategy(f"{file}:Mine")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "    def rules(self, bars):\n        while True:\n            pass\n",
            r"rules\(\) fails at line \d: TooSlow: took",
        ),
        ("    while True:\n        pass\n", r"mine.py:\d: TooSlow: took longer than 0.05 s"),
    ],
)
def test_a_file_that_loops_for_ever_is_a_data_error(tmp_path, monkeypatch, code, says):
    monkeypatch.setattr(loading, "LOAD_LIMIT_S", 0.05)
    file = tmp_path / "mine.py"
    file.write_text(f"from tradebot.strategies.strategy import Strategy\n\nclass Mine(Strategy):\n{code}")

    with pytest.raises(DataError, match=says):
        load_strategy(f"{file}:Mine")
