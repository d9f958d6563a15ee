"""The analysis stage: runs strategies over closes, in worker processes or inline."""
