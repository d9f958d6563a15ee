"""Benchmarks of what comes in by request: quotes fetched over HTTP, and past bars written and loaded."""
