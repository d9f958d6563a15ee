"""The benchmarks a user can run."""
