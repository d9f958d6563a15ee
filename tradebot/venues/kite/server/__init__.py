"""The simulated exchange as Kite shows it: REST routes, the ticker, and what a fault makes of their answers."""
