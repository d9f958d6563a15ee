"""One run of the daemon: the ground it stands on, its stages put together, what it tells and what it writes down."""
