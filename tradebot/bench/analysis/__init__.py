"""Benchmarks of computation: indicators per bar, pools of workers, and a whole cycle of fetch, compute, decide."""
