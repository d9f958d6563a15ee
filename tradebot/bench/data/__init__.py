"""Benchmarks of requested data: quotes fetched over HTTP, and past bars written and loaded."""
