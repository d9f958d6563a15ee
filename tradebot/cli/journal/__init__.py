"""The verbs that read the journal, also that of a running daemon, a module each."""
