"""The write-ahead journal: all that the daemon knew and did, in one total order, on disk before it takes effect."""
