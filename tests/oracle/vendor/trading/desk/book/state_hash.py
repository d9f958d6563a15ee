"""Hashes of a desk's state, by which a replay verifies that it reached the same one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from hashlib import blake2b
from typing import TypeVar

from tradebot.domain.order import Order
from tradebot.domain.portfolio import Position
from tradebot.domain.position_key import PositionKey
from tests.oracle.vendor.trading.desk.book.book import Book

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def hash_state(book: Book) -> str:
    """Return a hash of a desk's state: positions, money, live orders, active halts; 32 hex digits."""
    return StateHasher().hash_book(book)


class StateHasher:
    """Hashes the states of one book. What has not changed since the last hash is not formatted again."""

    def __init__(self) -> None:
        self._positions: dict[PositionKey, tuple[Position, str]] = {}  # key -> (our position, its text)
        self._orders: dict[str, tuple[Order, str]] = {}  # order_id -> (live order, its text)

    def prepare_position(self, position: Position) -> None:
        """Format one position ahead of the next hash."""
        self._positions[position.key] = position, _position_line(position)

    def hash_book(self, book: Book) -> str:
        """Return the hash of a book, as `hash_state` does."""
        blotter = book.blotter
        self._positions = _described(self._positions, blotter.positions.by_key.items(), _position_line)
        self._orders = _described(self._orders, ((o.order_id, o) for o in blotter.all_live_orders()), _order_line)
        positions = sorted(self._positions.items(), key=lambda known: (known[0].symbol, *known[0].netting_key))
        lines = [line for _, (_, line) in positions]
        lines += sorted(line for _, line in self._orders.values())
        lines += [f"{line} {external:f}" for line, external in sorted(blotter.external.quantities.items())]
        lines += sorted(f"{c.verb} {c.scope} {c.reason}" for c in book.conditions.halts.active_commands)
        sums = book.positions
        lines.append(f"{sums.realized:f} {sums.charges:f} {sums.fill_count} {len(blotter.orders)}")
        return blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def _position_line(p: Position) -> str:
    return f"{p.symbol} {p.quantity:f} {p.cost:f} {p.realized:f} {p.charges:f}"


def _order_line(o: Order) -> str:
    return f"{o.order_id} {o.state} {o.filled:f} {o.cancel.state}"


def _described(
    before: dict[K, tuple[T, str]], now: Iterable[tuple[K, T]], line: Callable[[T], str]
) -> dict[K, tuple[T, str]]:
    # Orders and positions are never changed, only replaced: the same object has the same text.
    described = {}
    for key, value in now:
        previous = before.get(key)
        described[key] = previous if previous is not None and previous[0] is value else (value, line(value))
    return described
