"""Replay: a recorded run is decided again by the same code and compared with what was recorded."""
