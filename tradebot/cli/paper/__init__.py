"""The verbs of paper accounts."""
