"""The venue of the benchmarks: one process over loopback sockets, with a face for what is measured."""
