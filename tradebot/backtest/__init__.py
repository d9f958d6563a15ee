"""Backtests: recorded bars through the desk, the gate and the order machine that trade live, as fast as bars allow."""
