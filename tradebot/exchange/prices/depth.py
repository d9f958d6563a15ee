"""Five plausible levels around a best bid and ask; every price source invents its depth here."""

from __future__ import annotations

import numpy as np

from tradebot.domain.instrument import Universe
from tradebot.domain.market import Floats, Ints
from tradebot.exchange.prices.hash_rng import Bits
from tradebot.exchange.snapshot import DEPTH_LEVELS

LEVEL_INDEX = np.arange(DEPTH_LEVELS)
LEVEL_WEIGHTS = np.array([1.0, 1.4, 1.7, 2.0, 2.2])  # books are thinnest at the touch
LEVEL_SHIFTS = (12 * LEVEL_INDEX).astype(np.uint64)
LOW12 = np.uint64(0xFFF)
SHARES_PER_ORDER = 0.25  # of the level's usual quantity
HIDDEN_DEPTH = 18  # size of the whole book, as a multiple of the five best levels


def invented_depth(
    *,
    bid: Ints,
    ask: Ints,
    gap: Ints,
    quantity: Floats,
    lower: Ints,
    upper: Ints,
    bid_bits: Bits,
    ask_bits: Bits,
) -> dict[str, Ints]:
    """Return the depth columns of Snapshots and both totals for `r` rows.

    `bid` and `ask` are the best prices, `gap` is the distance between levels, `lower` and `upper` are the circuit
    limits: price units, shape (r,). `quantity` is the usual size of the best level; 0 gives an empty book.
    """
    columns: dict[str, Ints] = {}
    for side, best, sign, bits in (("bid", bid, -1, bid_bits), ("ask", ask, 1, ask_bits)):
        prices = best[:, None] + sign * gap[:, None] * LEVEL_INDEX
        spread = (bits[:, None] >> LEVEL_SHIFTS) & LOW12
        sizes = spread * (1.4 / 4096) + 0.3
        sizes *= LEVEL_WEIGHTS
        orders = (sizes * (1 / SHARES_PER_ORDER)).astype(np.int64)
        sizes *= quantity[:, None]
        quantities = sizes.astype(np.int64) + 1
        is_there = (prices >= lower[:, None]) & (prices <= upper[:, None]) & (quantity > 0)[:, None]
        quantities *= is_there
        columns[f"{side}s"] = prices * is_there
        columns[f"{side}_quantities"] = quantities
        columns[f"{side}_orders"] = np.minimum(orders + 1, quantities)
        columns["buy_quantity" if side == "bid" else "sell_quantity"] = quantities.sum(axis=1) * HIDDEN_DEPTH
    return columns


def circuit_limits(universe: Universe, previous: Ints, *, share: float) -> tuple[Ints, Ints]:
    """Return the lower and upper circuit limits: the outermost ticks within `share` of `previous`; 0 for an index."""
    tick = np.array([i.price_to_units(i.tick_size) for i in universe], dtype=np.int64)
    is_tradable = np.array([i.is_tradable for i in universe], dtype=bool)
    rounding = 1e-9  # a limit that falls on a tick stays on that tick
    lower = np.ceil(previous * (1 - share) / tick - rounding).astype(np.int64) * tick
    upper = np.floor(previous * (1 + share) / tick + rounding).astype(np.int64) * tick
    return lower * is_tradable, upper * is_tradable
