"""The desk's own rules: a backtest that names none of them trades by those of a config that names none."""

from __future__ import annotations

from tradebot.config import Config
from tradebot.config.desk_settings import desk_settings
from tradebot.trading.desk.settings import DeskSettings

NAMED = {"venue", "max_daily_loss", "protection_pct"}  # with a config they come from it, and elsewhere are named


def test_a_desk_that_is_told_nothing_has_the_defaults_of_the_config() -> None:
    told = desk_settings(Config(), most_changes=25)
    own = DeskSettings(order_notional=told.order_notional)
    differ = {name for name in own.__struct_fields__ if getattr(own, name) != getattr(told, name)}
    assert differ <= NAMED
