"""The venue of a run: which place it trades at, by which route, with which clock and instruments."""
