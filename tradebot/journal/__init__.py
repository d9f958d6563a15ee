"""The write-ahead journal: what the daemon knew and did, in one total order, on disk before it matters."""
