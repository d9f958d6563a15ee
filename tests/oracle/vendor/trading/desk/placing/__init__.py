"""How an order is placed: how it is built, what the gate is shown, what is denied."""
