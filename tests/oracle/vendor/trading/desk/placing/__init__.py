"""How an order comes to be placed: what it looks like, what the gate is shown, what is denied."""
