"""The simulated exchange: prices, matching, accounts, and the socket that a venue's face stands on."""
