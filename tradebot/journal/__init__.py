"""The write-ahead journal: hash-chained rows in SQLite, one writer thread, group commit."""
