"""The venues: the protocols that every venue implements, the link that reconnects, and one folder per venue."""
