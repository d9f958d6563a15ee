"""The settings of stops that rest at the venue, and so hold while the daemon is down."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from tradebot.config.values import Number, Percent
from tradebot.section import Section


class ProtectionSection(Section):
    """Stops that rest at the venue as orders, and so hold while the daemon is down; targets stay with the daemon."""

    resting_stops: Literal["live", "always", "never"] = Field(
        default="live", description="live: in live mode, on paper not; a [[strategy]] may say otherwise"
    )
    on_refusal: Literal["hold", "exit"] = Field(
        default="hold",
        description="where the venue refuses a stop thrice: hold with the daemon's own and an alarm, or exit",
    )
    trail_step_pct: Annotated[Percent, Field(le=10)] = Field(
        default=Decimal("0.1"), description="a resting stop follows a trailing one by steps of at least this much"
    )
    trail_every_s: Annotated[Number, Field(ge=1, le=3600)] = Field(
        default=5.0, description="and at most this often; the venue counts the changes of an order"
    )
    gtt: Literal["off", "single", "oco"] = Field(
        default="off",
        description="GTT orders for positions that stay overnight: the stop, or with oco the target as well",
    )
