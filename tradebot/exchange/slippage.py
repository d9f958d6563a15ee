"""Slippage: how much worse than a bar's price a marketable order fills; integers, for `bar_matching`."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from tradebot.domain.instrument import Instrument
from tradebot.domain.message import Message


class SlippageKind(StrEnum):
    """The unit of a slippage amount."""

    NONE = "none"
    TICKS = "ticks"  # `amount` ticks
    BPS = "bps"  # `amount` hundredths of a percent of the price
    SPREAD = "spread"  # half of a spread of `amount` percent of the price
    VOLUME = "volume"  # `amount` percent times the square of our share of the bar's volume


class Slippage(Message, frozen=True):
    """A slippage model. The price moves against the order and is rounded against it to the tick."""

    kind: SlippageKind = SlippageKind.NONE
    amount: Decimal = Decimal(0)

    @classmethod
    def parse(cls, text: str) -> Slippage:
        """Read `none`, `2ticks`, `5bps`, `spread:0.05` or `volume:10`. Raises ValueError."""
        words = text.strip().lower()
        if words in ("", "none"):
            return cls()
        kind, colon, amount = words.partition(":")
        if not colon:
            kind = next((k for k in ("ticks", "tick", "bps") if words.endswith(k)), "")
            amount = words.removesuffix(kind)
        kind = "ticks" if kind == "tick" else kind
        if kind in tuple(SlippageKind)[1:] and amount.strip().replace(".", "", 1).isdigit():
            return cls(kind=SlippageKind(kind), amount=Decimal(amount.strip()))
        raise ValueError(f"should be none, 2ticks, 5bps, spread:0.05 (percent) or volume:10 (percent), not {text!r}")

    def __str__(self) -> str:
        amount = f"{self.amount:f}"
        match self.kind:
            case SlippageKind.NONE:
                return "none"
            case SlippageKind.TICKS | SlippageKind.BPS:
                return f"{amount}{self.kind}"
            case _:
                return f"{self.kind}:{amount}"


class InstrumentSlippage:
    """The slippage of one instrument, in price units."""

    def __init__(self, slippage: Slippage, instrument: Instrument) -> None:
        self._kind = slippage.kind
        self._tick = max(int(instrument.tick_size.scaleb(instrument.price_decimals)), 1)
        amount = slippage.amount
        if self._kind is SlippageKind.TICKS:
            amount *= self._tick
        share = {SlippageKind.BPS: 10_000, SlippageKind.SPREAD: 200, SlippageKind.VOLUME: 100}.get(self._kind, 1)
        self._numerator, denominator = amount.as_integer_ratio()
        self._denominator = denominator * share
        self.is_none = not self._numerator

    def slipped_price(self, price: int, *, sign: int, quantity: int, volume: int) -> int:
        """Return the price that `quantity` units pay (`sign` 1) or get (-1) at a bar's `price`, at least one tick."""
        numerator, denominator = self._numerator, self._denominator
        if not numerator:
            return price
        match self._kind:
            case SlippageKind.TICKS:
                move = -(-numerator // denominator)
            case SlippageKind.VOLUME:
                share = min(quantity, volume) if volume > 0 else 1
                whole = volume if volume > 0 else 1
                move = -(-price * numerator * share * share // (denominator * whole * whole))
            case _:
                move = -(-price * numerator // denominator)
        if not move:
            return price
        moved, tick = price + sign * move, self._tick
        rounded = -(-moved // tick) * tick if sign > 0 else moved // tick * tick
        return max(rounded, tick)
