"""What the operator's API takes, as types: the parameters of its lists and the bodies of its commands."""

from __future__ import annotations

from typing import Annotated

import msgspec

from tradebot.control.api_paths import MAX_ROWS

DEFAULT_ROWS = 100
MAX_SEQ = 2**63 - 1  # the largest number of a journal row

RowLimit = Annotated[int, msgspec.Meta(ge=1, le=MAX_ROWS, description="at most this many rows")]
BeforeRow = Annotated[int, msgspec.Meta(ge=0, le=MAX_SEQ, description="rows before this one; 0 for the newest")]
ReasonText = Annotated[str, msgspec.Meta(max_length=300, description="why, one line for the journal")]
ScopeText = Annotated[
    str,
    msgspec.Meta(
        pattern="^(all|account|symbol:.+|strategy:.+)$", description="all, account, symbol:NAME or strategy:NAME"
    ),
]
OrderIdText = Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="our id of the order")]


class NoParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A list without parameters."""


class OrderParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which orders: `live` leaves out those that ended; `before` is the last order id of the page before."""

    live: bool = False
    limit: RowLimit = DEFAULT_ROWS
    before: Annotated[str, msgspec.Meta(max_length=64, description="orders older than this one")] = ""


class RowParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which rows of the journal; `before` is the one that the page before told."""

    limit: RowLimit = DEFAULT_ROWS
    before: BeforeRow = 0


class BarParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which bars."""

    symbol: Annotated[str, msgspec.Meta(min_length=1, max_length=64, description="a symbol of the run")]
    limit: RowLimit = DEFAULT_ROWS
    before: BeforeRow = 0


class HaltBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A halt or the end of one."""

    reason: ReasonText = ""
    scope: ScopeText = "all"


class FlattenBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A flatten: the same id acts once; `lift_kill` lets exits leave after `kill`."""

    id: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="name of this command")]
    reason: ReasonText = ""
    lift_kill: bool = False


class CancelBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The cancel of one order of ours."""

    order_id: OrderIdText
    reason: ReasonText = ""


class PauseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pause of a strategy, or its end: a halt of the scope `strategy:NAME`."""

    strategy: Annotated[str, msgspec.Meta(min_length=1, max_length=200, description="a strategy of the run")]
    reason: ReasonText = ""


class ReloadBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A reload: `confirm` lets limits rise while something is open, with `trial` it only says what would change."""

    confirm: bool = False
    trial: bool = False


class StopBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of the run."""

    reason: ReasonText = ""


class LoginBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The redirected address of the broker's login, or the request token in it."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
