"""The verbs that read the journal, also of a running daemon; one module each."""
