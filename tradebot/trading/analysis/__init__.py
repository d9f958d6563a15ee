"""The analysis stage: the part of the daemon that runs strategies, in worker processes or inline."""
