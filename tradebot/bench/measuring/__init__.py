"""Shared by all benchmarks: processes, processor time, the state of the machine, the report."""
