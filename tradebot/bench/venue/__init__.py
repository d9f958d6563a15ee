"""The venue of the benchmarks: one process on loopback sockets, with a server for each thing measured."""
