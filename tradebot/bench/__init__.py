"""The benchmarks a user can run: a room for each thing measured, `rivals` for what is measured beside us.

The file of a benchmark has the name of its verb. `venue`, `daemon` and `measuring` hold what several of them use.
"""
