"""What is traded: the instrument with its rounding rules, and the universe that numbers a run's instruments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from tradebot.domain.home_exchange import HOME_EXCHANGE
from tradebot.domain.message import Message


class InstrumentKind(StrEnum):
    """The kind of an instrument. An index has quotes and cannot be traded."""

    EQUITY = "equity"
    INDEX = "index"
    FUTURE = "future"
    OPTION = "option"
    SPOT = "spot"


INDEX = InstrumentKind.INDEX
ZERO = Decimal(0)


class Instrument(Message, frozen=True):
    """One instrument of one exchange. Prices and quantities are rounded only here.

    Quotes are integers: units = price * 10**`price_decimals` (2: paise). `has_derivatives` says whether futures on it
    are traded, which may end its day early; None where this is not known.
    """

    symbol: str
    exchange: str = HOME_EXCHANGE
    token: int = 0
    kind: InstrumentKind = InstrumentKind.EQUITY
    tick_size: Decimal = Decimal("0.05")
    lot_size: Decimal = Decimal(1)
    price_decimals: int = 2
    quantity_decimals: int = 0
    currency: str = "INR"
    name: str = ""
    has_derivatives: bool | None = None

    @property
    def is_tradable(self) -> bool:
        """Return False for an index."""
        return self.kind is not INDEX

    def price_from_units(self, units: int) -> Decimal:
        """Return integer price units as an exact price."""
        return Decimal(int(units)).scaleb(-self.price_decimals)

    def price_to_units(self, price: Decimal) -> int:
        """Return a price as integer units, rounded half to even."""
        return int(price.scaleb(self.price_decimals).to_integral_value(ROUND_HALF_EVEN))

    def quantity_from_units(self, units: int) -> Decimal:
        """Return integer quantity units as an exact quantity."""
        return Decimal(int(units)).scaleb(-self.quantity_decimals)

    def round_price(self, price: Decimal, *, up: bool) -> Decimal:
        """Round to a multiple of the tick size, up or down."""
        steps = (price / self.tick_size).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
        return steps * self.tick_size

    def round_to_nearest_tick(self, price: Decimal) -> Decimal:
        """Round to the nearest multiple of the tick size, half to even."""
        return (price / self.tick_size).to_integral_value(ROUND_HALF_EVEN) * self.tick_size

    def round_quantity(self, quantity: Decimal) -> Decimal:
        """Round down to a multiple of the lot size; never up."""
        # Division drops trailing zeros, so 1,250 would be written as 1.25E+3. Adding zero restores them.
        return (quantity / self.lot_size).to_integral_value(ROUND_FLOOR) * self.lot_size + ZERO

    def is_on_tick(self, price: Decimal) -> bool:
        """Return True when `price` is a multiple of the tick size."""
        return price % self.tick_size == 0

    def is_on_lot(self, quantity: Decimal) -> bool:
        """Return True when `quantity` is a multiple of the lot size."""
        return quantity % self.lot_size == 0


class Universe:
    """The instruments of a run, numbered from 0 in the order given. Quotes and bars carry these numbers as `ids`.

    Raises ValueError for a symbol given twice.
    """

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.instruments: tuple[Instrument, ...] = tuple(instruments)
        self.ids_by_symbol = {instrument.symbol: i for i, instrument in enumerate(self.instruments)}  # symbol -> id
        if len(self.ids_by_symbol) != len(self.instruments):
            raise ValueError("a symbol appears twice in the universe")
        self.price_scales: npt.NDArray[np.float64] = np.array([10.0**i.price_decimals for i in self.instruments])
        self.quantity_scales: npt.NDArray[np.float64] = np.array([10.0**i.quantity_decimals for i in self.instruments])

    def __len__(self) -> int:
        return len(self.instruments)

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self.instruments)

    def __getitem__(self, id_: int) -> Instrument:
        return self.instruments[id_]

    def __contains__(self, symbol: object) -> bool:
        return symbol in self.ids_by_symbol

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the symbols in the order of their numbers."""
        return tuple(self.ids_by_symbol)

    def id_of(self, symbol: str) -> int:
        """Return the number of `symbol`. Raises KeyError."""
        return self.ids_by_symbol[symbol]

    def instrument_of(self, symbol: str) -> Instrument:
        """Return the instrument of `symbol`. Raises KeyError."""
        return self.instruments[self.ids_by_symbol[symbol]]
