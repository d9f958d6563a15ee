"""Benchmarks of the start: from the command to READY, and the warm-up of thousands of symbols."""
