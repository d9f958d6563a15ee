"""The simulated exchange behind Kite's protocol: REST routes, the ticker, and the faults in their responses."""
