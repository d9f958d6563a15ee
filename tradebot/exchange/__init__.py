"""The simulated exchange: prices, matching, accounts, and the server for a venue's protocol."""
