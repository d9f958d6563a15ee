"""The verbs of metrics: the board, the alert rules, and the list of what a daemon exposes."""
