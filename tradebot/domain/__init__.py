"""The nouns: instruments, quotes, bars, orders, fills, positions, and every message that travels on a queue."""
