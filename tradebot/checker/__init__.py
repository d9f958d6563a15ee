"""The checker: decides from the records alone, never from the daemon's memory, which promises were kept."""
