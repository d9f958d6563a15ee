"""The operator's hands: a control socket into the running daemon, and a kill switch that works without it."""
