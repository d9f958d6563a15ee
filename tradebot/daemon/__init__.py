"""One run of the daemon: its venue session, its stages put together, what it reports and what it records."""
