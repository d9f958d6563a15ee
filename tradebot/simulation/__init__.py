"""The simulation: the whole daemon on virtual time. One seed decides everything, so a seed is a bug report."""
