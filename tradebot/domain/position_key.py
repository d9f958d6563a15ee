"""The key of a position: venue, exchange, symbol, product and owner."""

from __future__ import annotations

from typing import NamedTuple

from tradebot.domain.message import Message

OWNER_OURS = "ours"  # the owner of positions that our orders made, until positions are kept by strategy
OWNER_EXTERNAL = "external"  # the owner of all other positions at the venue; shown, never traded

NettingKey = tuple[str, str, str]  # (exchange, symbol, product): a venue nets all trades in it


class InstrumentKey(NamedTuple):
    """What is traded, and where. One symbol at two exchanges, or at two venues, is two instruments.

    `venue` is empty for data that every venue passes on from the exchange, such as traded prices.
    """

    venue: str
    exchange: str
    symbol: str


class PositionKey(Message, frozen=True, kw_only=False, cache_hash=True):
    """The key of a position: venue, exchange, symbol, product and owner.

    Shares bought for delivery are not part of an intraday position in the same symbol: a sale in one product does not
    close a position in the other. A venue knows no owners: it nets all trades with the same `netting_key`.
    """

    venue: str
    exchange: str
    symbol: str
    product: str
    owner: str = OWNER_OURS

    @property
    def netting_key(self) -> NettingKey:
        """Return the key by which the venue nets the position."""
        return self.exchange, self.symbol, self.product

    @property
    def is_ours(self) -> bool:
        """Return True for a position that our orders made."""
        return self.owner != OWNER_EXTERNAL
