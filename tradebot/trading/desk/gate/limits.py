"""The limits of an account as plain values, and the gate with every control that they describe; live and backtest."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tradebot.domain.message import Message
from tradebot.domain.products import INTRADAY
from tradebot.trading.desk.gate.exposure_controls import (
    MaxDailyLoss,
    MaxOpenOrders,
    MaxPosition,
    MissingFunds,
    ReduceOnly,
    SufficientFunds,
)
from tradebot.trading.desk.gate.flow_controls import (
    FreshData,
    InSession,
    MessageRate,
    NoDuplicate,
    NotHalted,
    NotKilled,
)
from tradebot.trading.desk.gate.gate import Control, Gate
from tradebot.trading.desk.gate.level_controls import ValidLevels
from tradebot.trading.desk.gate.order_controls import (
    FreezeQuantity,
    MaxOrderSize,
    OrderSanity,
    PermittedProduct,
    PriceCollar,
)
from tradebot.trading.desk.gate.venue_controls import BooksKnown, DiskSpaceLeft, LoginValid, PositionAccounted


class Limits(Message, frozen=True):
    """What the gate lets pass; money in the account's currency, times in wall seconds, see `[risk]` of the config.

    Without `max_stop_pct` stops and targets are not checked, as in runs recorded before it existed. `pace` is how many
    market seconds pass in one wall second: message rates count market seconds.
    """

    permitted_products: tuple[str, ...] = (INTRADAY,)
    allow_short: bool = False
    max_order_quantity: Decimal = Decimal(500)
    max_order_notional: Decimal = Decimal(20_000)
    max_position_notional: Decimal = Decimal(25_000)
    max_gross_notional: Decimal = Decimal(100_000)
    max_daily_loss: Decimal = Decimal(2_500)
    max_open_orders: int = 20
    price_collar_pct: Decimal = Decimal(1)
    freeze_quantity: Decimal | None = None  # for shares of the home exchange; None: no freeze quantities are known
    freeze_quantities: dict[str, Decimal] = {}  # symbol -> freeze quantity of other instruments
    orders_per_second: int = 8
    orders_per_minute: int = 200
    orders_per_day: int = 2_000
    duplicate_window_s: float = 5.0
    stale_after_s: float = 5.0
    max_stop_pct: Decimal | None = Decimal(50)
    pace: float = 1.0


def build_gate(limits: Limits, *, kill_reason: Callable[[], str], missing_funds: MissingFunds | None = None) -> Gate:
    """Return the gate with all its controls.

    `kill_reason` returns why no order may leave, see `NotKilled`. `missing_funds` returns which money the account
    lacks, see `SufficientFunds`; without it the venue checks that.
    """
    duplicates = NoDuplicate(window_s=limits.duplicate_window_s)
    rate = MessageRate(
        per_second=limits.orders_per_second,
        per_minute=limits.orders_per_minute,
        per_day=limits.orders_per_day,
        pace=limits.pace,
    )
    freeze = None
    if limits.freeze_quantity is not None:
        freeze = FreezeQuantity(shares=limits.freeze_quantity, others=limits.freeze_quantities)
    controls: list[Control] = [
        NotKilled(kill_reason),
        NotHalted(),
        PositionAccounted(),
        InSession(),
        PermittedProduct(products=limits.permitted_products, allow_short=limits.allow_short),
        OrderSanity(),
        MaxOrderSize(max_quantity=limits.max_order_quantity, max_notional=limits.max_order_notional),
        *([] if freeze is None else [freeze]),
        LoginValid(),
        BooksKnown(),
        DiskSpaceLeft(),
        FreshData(max_age_s=limits.stale_after_s),
        PriceCollar(collar_pct=limits.price_collar_pct),
        *([] if limits.max_stop_pct is None else [ValidLevels(max_stop_pct=limits.max_stop_pct)]),
        duplicates,
        MaxOpenOrders(max_open=limits.max_open_orders),
        MaxPosition(per_symbol=limits.max_position_notional, gross=limits.max_gross_notional),
        *([] if missing_funds is None else [SufficientFunds(missing_funds)]),
        ReduceOnly(),
        MaxDailyLoss(max_loss=limits.max_daily_loss),
        rate,
    ]
    return Gate(controls, max_quantity=None if freeze is None else freeze.max_quantity, limits=limits)


def change_limits(gate: Gate, limits: Limits) -> None:
    """Let a gate of `build_gate` judge by other limits from its next order on; what its controls remember stays."""
    funds = next((control.missing_funds for control in gate.controls if isinstance(control, SufficientFunds)), None)
    fresh = build_gate(limits, kill_reason=gate.find_control(NotKilled).kill_reason, missing_funds=funds)
    fresh.find_control(NoDuplicate).take_over(gate.find_control(NoDuplicate))
    fresh.find_control(MessageRate).take_over(gate.find_control(MessageRate))
    gate.replace_controls(fresh.controls, limits=limits)
