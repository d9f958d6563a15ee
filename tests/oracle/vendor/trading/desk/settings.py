"""The desk's own settings: how it sizes, prices, cancels and stops. `Limits` says what an order may be."""

from __future__ import annotations

from decimal import Decimal

from tradebot.domain.message import Message
from tradebot.domain.order import OrderKind
from tradebot.domain.products import INTRADAY


class RestingSettings(Message, frozen=True):
    """Which stops rest at the venue, and how; times in wall seconds.

    `strategies` are the names of those whose positions have one. `stop_market` are the (exchange, kind of instrument)
    that take SL-M; elsewhere a stop has a limit, at the protection price. `on_refusal` is `hold` (with the stop of the
    desk) or `exit`. A trailing stop moves by `min_step_pct` percent of its price at least, once in `min_interval_s` at
    most. After `most_changes` changes a stop is replaced. `gtt` is the stop of positions that stay overnight: `off`,
    `single` or `oco`; a venue takes `max_gtt` of them, further from the last price than `gtt_min_distance_pct` percent
    of it and than `gtt_min_distance`.
    """

    strategies: tuple[str, ...] = ()
    stop_market: tuple[tuple[str, str], ...] = ()
    on_refusal: str = "hold"
    confirm_within_s: float = 3.0
    min_step_pct: Decimal = Decimal("0.1")
    min_interval_s: float = 5.0
    most_changes: int = 20
    gtt: str = "off"
    max_gtt: int = 250
    gtt_min_distance_pct: Decimal = Decimal("0.25")
    gtt_min_distance: Decimal = Decimal(0)


class DeskSettings(Message, frozen=True):
    """The settings of the desk's rules; times in wall seconds, money in the account's currency."""

    order_notional: Decimal
    venue: str = ""  # the venue of the positions
    product: str = INTRADAY
    order_kind: OrderKind = OrderKind.MARKET  # or LIMIT at the protection price
    protection_pct: Decimal = Decimal(1)
    max_daily_loss: Decimal = Decimal(1000)
    on_daily_loss: str = "close"  # or halt, see `rules/daily_loss.py`
    max_rejects_in_a_row: int = 3  # per symbol; per strategy where funds are missing
    max_rejects_per_minute: int = 5  # per symbol; per strategy where funds are missing
    max_rejected_symbols: int = 3  # symbols with rejected entries of one strategy within a minute
    max_account_rejects_per_minute: int = 10
    signal_max_age_s: float = 2.0
    # An entry against a position that is being closed waits for its exit; False ignores it, as early runs did.
    reverses: bool = True
    chase_after_s: float = 3.0
    chase: str = "cancel"  # an exit not filled in time: `cancel` it and send another, or `modify` its price
    most_changes: int = 25  # replaces of one order, as the venue limits them
    on_stop: str = "cancel"  # `cancel`, `flatten` or `leave`
    resting: RestingSettings | None = None  # None: no stop rests at the venue
    fill_collar_pct: Decimal | None = None  # limit of `rules/fill_check.py` in percent; None: fills are not checked
    # Do orders of another tradebot halt us, see `rules/other_daemons.py`; False in early runs, which did not look.
    watches_other_daemons: bool = False

    @property
    def resting_stops(self) -> RestingSettings:
        """Return which stops rest at the venue, and how; of no strategy where `resting` is None."""
        return self.resting or RestingSettings()
