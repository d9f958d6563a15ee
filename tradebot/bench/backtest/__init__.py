"""Benchmarks of research: the cost of a bar and of an order in a backtest, and the gain of a second core in a sweep."""
