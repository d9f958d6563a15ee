"""Benchmarks of research: what a bar and an order of a backtest cost, and what a second core is worth to a sweep."""
