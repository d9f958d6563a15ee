"""The stages between the queues: bars, analysis, desk, execution, reconciliation."""
