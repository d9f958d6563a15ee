"""The benchmark of the tick path: an exchange and a daemon in two processes, with every tick accounted for."""
