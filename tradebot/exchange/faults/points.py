"""The points at which a fault may strike, and the groups of them that a script may name. Data only."""

from __future__ import annotations

GTT_POINTS = ("gtt.create", "gtt.modify", "gtt.cancel", "gtt.list")
WRITE_POINTS = ("orders.create", "orders.modify", "orders.cancel", *GTT_POINTS[:3])
BOOK_POINTS = ("orders.list", "trades", "positions")
READ_POINTS = (
    *BOOK_POINTS,
    "orders.history",
    "margins",
    "holdings",
    "profile",
    "quotes",
    "history",
    "instruments",
    "gtt.list",
)
REST_POINTS = (*WRITE_POINTS, *READ_POINTS, "session")
STREAM_POINTS = ("ticker.connect", "ticker.frame", "ticker.order")
EXCHANGE_POINTS = ("exchange.enter", "exchange.cancel", "exchange.minute")
PEOPLE_POINTS = ("owner", "broker")  # once a second of the session
MACHINE_POINTS = ("operator", "host")  # once a second, only in a simulation
ALL_POINTS = (*REST_POINTS, *STREAM_POINTS, *EXCHANGE_POINTS, *PEOPLE_POINTS, *MACHINE_POINTS)
POINT_GROUPS = {  # names that stand for several points
    "rest": REST_POINTS,
    "orders": tuple(p for p in REST_POINTS if p.startswith("orders.")),
    "gtt": GTT_POINTS,
    "writes": WRITE_POINTS,
    "reads": READ_POINTS,
    "books": BOOK_POINTS,
    "ticker": STREAM_POINTS,
    "exchange": EXCHANGE_POINTS,
    "people": PEOPLE_POINTS,
    "machine": MACHINE_POINTS,
}
