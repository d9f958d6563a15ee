"""Sweeps: one backtest per set of parameters, over processes or a cluster, resumable, the same everywhere."""
