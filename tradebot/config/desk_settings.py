"""Makes the gate's limits and the desk's settings from the configuration."""

from __future__ import annotations

from decimal import Decimal

from tradebot.config import Config
from tradebot.domain.order import OrderKind
from tradebot.trading.desk.gate.limits import Limits
from tradebot.trading.desk.settings import DeskSettings

MIN_STALE_S = 1.0  # wall seconds; with a fast market clock, a shorter age is only scheduling delay


def gate_limits(config: Config, *, speed: float = 1.0) -> Limits:
    """Return the limits of `[risk]` as plain values; `speed` is how many market seconds pass in a wall second.

    The age of quotes, the duplicate window and the message rates count market seconds.
    """
    risk = config.risk
    return Limits(
        permitted_products=tuple(risk.permitted_products),
        allow_short=risk.allow_short,
        max_order_quantity=Decimal(risk.max_order_quantity),
        max_order_notional=risk.max_order_notional,
        freeze_quantity=Decimal(risk.freeze_quantity),
        freeze_quantities={symbol: Decimal(most) for symbol, most in risk.freeze_quantities.items()},
        max_position_notional=risk.max_position_notional,
        max_gross_notional=risk.max_gross_notional,
        max_daily_loss=risk.max_daily_loss,
        max_open_orders=risk.max_open_orders,
        price_collar_pct=risk.price_collar_pct,
        orders_per_second=risk.orders_per_second,
        orders_per_minute=risk.orders_per_minute,
        orders_per_day=risk.orders_per_day,
        duplicate_window_s=risk.duplicate_window_s / speed,
        max_stop_pct=risk.max_stop_pct,
        stale_after_s=max(config.feed.stale_after_s / speed, MIN_STALE_S),
        pace=speed,
    )


def desk_settings(config: Config, *, most_changes: int, checks_fills: bool = False) -> DeskSettings:
    """Return the settings of the desk's rules; `most_changes` is how many replaces the venue allows per order.

    `checks_fills` compares the price of each fill with the reference of its order. That is right where orders fill when
    they are sent, and wrong where they fill at a later bar.
    """
    return DeskSettings(
        order_notional=config.risk.order_notional,
        venue=config.venue.name,
        product=config.execution.product,
        order_kind=OrderKind(config.execution.order_kind),
        protection_pct=config.execution.protection_pct,
        max_daily_loss=config.risk.max_daily_loss,
        on_daily_loss=config.risk.on_daily_loss,
        max_rejects_in_a_row=config.risk.max_rejects_in_a_row,
        max_rejects_per_minute=config.risk.max_rejects_per_minute,
        max_rejected_symbols=config.risk.max_rejected_symbols,
        max_account_rejects_per_minute=config.risk.max_account_rejects_per_minute,
        signal_max_age_s=config.risk.max_signal_age_s,
        chase=config.execution.chase,
        most_changes=most_changes,
        on_stop=config.execution.on_stop,
        fill_collar_pct=config.risk.price_collar_pct if checks_fills else None,
    )
