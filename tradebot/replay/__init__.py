"""Replay: a recorded run decided once more by the same code, and held against what was recorded."""
