"""History: past bars on disk or in PostgreSQL, from files, journals and venues, for backtests and for people."""
