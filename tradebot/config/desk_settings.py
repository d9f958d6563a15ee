"""Makes the gate's limits and the desk's settings from the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tradebot.config import Config
from tradebot.domain.order import OrderKind
from tradebot.domain.products import INTRADAY
from tradebot.trading.desk.gate.limits import Limits
from tradebot.trading.desk.settings import DeskSettings, RestingSettings
from tradebot.venues.venue_rules import VenueRules

CHANGES_KEPT_BACK = 5  # of the changes of a resting stop: for the chase of one that has triggered
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


def desk_settings(
    config: Config,
    *,
    most_changes: int,
    checks_fills: bool = False,
    resting: RestingSettings | None = None,
    watches_other_daemons: bool = False,
) -> DeskSettings:
    """Return the settings of the desk's rules; `most_changes` is how many replaces the venue allows per order.

    `resting` says which stops rest at the venue, None where none does.
    `checks_fills` compares the price of each fill with the reference of its order. That is right where orders fill when
    they are sent, and wrong where they fill at a later bar. `watches_other_daemons` halts for orders of another
    tradebot: right where others can reach the account, wrong where it lives in this process.
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
        resting=resting,
        fill_collar_pct=config.risk.price_collar_pct if checks_fills else None,
        watches_other_daemons=watches_other_daemons,
    )


def resting_settings(config: Config, strategies: Sequence[str], venue_rules: VenueRules) -> RestingSettings | None:
    """Return which stops rest at the venue, None where none does.

    `strategies` are the names in signals, in the order of the config; one without a section there is `auto`.
    """
    protection, is_of_day = config.protection, config.execution.product == INTRADAY
    gtt = protection.gtt if venue_rules.max_gtt else "off"
    is_default = protection.resting_stops == "always" or (
        protection.resting_stops == "live" and config.app.mode == "live"
    )
    is_possible = protection.resting_stops != "never" and (is_of_day or gtt != "off")
    chosen = [section.resting_stop for section in config.strategy]
    chosen += ["auto"] * (len(strategies) - len(chosen))
    is_wanted = {"auto": is_default, "yes": True, "no": False}
    names = [name for name, choice in zip(strategies, chosen, strict=True) if is_wanted[choice]]
    if not names or not is_possible:
        return None
    return RestingSettings(
        strategies=tuple(names),
        stop_market=tuple(sorted(venue_rules.stop_market)),
        on_refusal=protection.on_refusal,
        min_step_pct=protection.trail_step_pct,
        min_interval_s=protection.trail_every_s,
        most_changes=max(venue_rules.modifications_per_order - CHANGES_KEPT_BACK, 0),
        gtt=gtt,
        max_gtt=venue_rules.max_gtt,
        gtt_min_distance_pct=venue_rules.gtt_min_distance_pct,
        gtt_min_distance=venue_rules.gtt_min_distance,
    )
