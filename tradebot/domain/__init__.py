"""The types of the trade: instruments, quotes, bars, orders, fills, positions, and every message on a queue."""
