"""The venues: the protocols every venue fulfils, the link that reconnects, one folder a venue."""
