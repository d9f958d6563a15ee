"""The desk: takes signals and quotes, sends orders, and books the venue's reports; with its gate, rules and book."""
