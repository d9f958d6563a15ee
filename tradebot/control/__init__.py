"""The operator's access: a control socket into the running daemon, and a kill switch that works without the daemon."""
