"""Benchmarks of the start: from the command to READY, and thousands of symbols warmed up."""
