"""The benchmark of the tick path: an exchange and a daemon as two processes, every tick accounted for."""
