"""Benchmarks of the mathematics: indicators a bar, pools of workers, and a whole cycle of fetch, compute, decide."""
