"""Metrics for Prometheus: what a run counts and measures, as text that a scraper reads; a board and alert rules."""
