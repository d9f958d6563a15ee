"""The wire faces of the exchange, one venue's protocol each."""
