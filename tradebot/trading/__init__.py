"""The stages of trading and the queues between them: bars, analysis, desk, order sending, reconciliation."""
