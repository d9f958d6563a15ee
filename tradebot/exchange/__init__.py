"""The simulated exchange: prices, matching, accounts, and the wire faces real clients connect to."""
