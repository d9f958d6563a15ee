"""The login at the venue: its state, its start, and the keys that are kept."""
