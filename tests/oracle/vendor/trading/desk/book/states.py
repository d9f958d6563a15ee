"""Hashes of what a desk holds and works, by which a replay sees that it came to the same."""

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


def state_of(book: Book) -> str:
    """Return a hash of what a desk holds and works: positions, money, live orders, standing halts."""
    return States().of(book)


class States:
    """Hashes of one book's states. What has not changed since the last one is not put into words again."""

    def __init__(self) -> None:
        self._positions: dict[PositionKey, tuple[Position, str]] = {}  # ours with its line
        self._orders: dict[str, tuple[Order, str]] = {}  # order_id -> live order and its line

    def note(self, position: Position) -> None:
        """Put one position into words ahead of the next hash."""
        self._positions[position.key] = position, _position_line(position)

    def of(self, book: Book) -> str:
        """Return the hash as `state_of` does."""
        blotter = book.blotter
        self._positions = _told(self._positions, blotter.positions.by_key.items(), _position_line)
        self._orders = _told(self._orders, ((o.order_id, o) for o in blotter.live_anywhere()), _order_line)
        positions = sorted(self._positions.items(), key=lambda known: (known[0].symbol, *known[0].netting_key))
        lines = [line for _, (_, line) in positions]
        lines += sorted(line for _, line in self._orders.values())
        lines += [f"{line} {beyond:f}" for line, beyond in sorted(blotter.external.beyond.items())]
        lines += sorted(f"{c.verb} {c.scope} {c.reason}" for c in book.conditions.halts.active_commands)
        sums = book.positions
        lines.append(f"{sums.realized:f} {sums.charges:f} {sums.fills} {len(blotter.orders)}")
        return blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def _position_line(p: Position) -> str:
    return f"{p.symbol} {p.quantity:f} {p.cost:f} {p.realized:f} {p.charges:f}"


def _order_line(o: Order) -> str:
    return f"{o.order_id} {o.state} {o.filled:f} {o.cancel.state}"


def _told(
    known: dict[K, tuple[T, str]], now: Iterable[tuple[K, T]], line: Callable[[T], str]
) -> dict[K, tuple[T, str]]:
    # Both are never changed, only replaced: the same object has the same line.
    told = {}
    for key, what in now:
        before = known.get(key)
        told[key] = before if before is not None and before[0] is what else (what, line(what))
    return told
