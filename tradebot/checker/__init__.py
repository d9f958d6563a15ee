"""The checker: judges from the records alone, never from the daemon's memory, which promises a run kept."""
