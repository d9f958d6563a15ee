"""The one key of a position: where it is held, of what, as which product, and whose it is."""

from __future__ import annotations

from typing import NamedTuple

from tradebot.domain.message import Message

OWNER_OURS = "ours"  # the owner of what our own orders made; a strategy's name once strategies have books
OWNER_EXTERNAL = "external"  # of everything else at the venue: shown, never traded

NettingKey = tuple[str, str, str]  # (exchange, symbol, product): what a venue nets, whoever traded it


class InstrumentKey(NamedTuple):
    """What is traded, and where: one symbol at two exchanges is two instruments, and so is one at two venues.

    `venue` is empty where every venue passes on what the exchange says, as of traded prices.
    """

    venue: str
    exchange: str
    symbol: str


class PositionKey(Message, frozen=True, kw_only=False, cache_hash=True):
    """A position by venue, exchange, symbol, product and owner.

    Shares bought for delivery are no part of an intraday position in the same symbol: a sale in one product does not
    close what is held in the other. A venue knows no owners: it nets all of one `netting_key`.
    """

    venue: str
    exchange: str
    symbol: str
    product: str
    owner: str = OWNER_OURS

    @property
    def netting_key(self) -> NettingKey:
        """What the venue nets it with."""
        return self.exchange, self.symbol, self.product

    @property
    def is_ours(self) -> bool:
        return self.owner != OWNER_EXTERNAL
