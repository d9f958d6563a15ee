"""Sweeps: one backtest per set of parameters, over processes or a cluster; resumable, with the same rows everywhere."""
