"""The benchmarks of `tradebot bench`: a folder for each thing measured, and `rivals` with what we are compared with.

The file of a benchmark is named after its command. `venue`, `daemon` and `measuring` are shared by several of them.
"""
