"""The desk of revision 203eee89cf6d, written by `freeze.py`; not edited by hand."""

REVISION = "203eee89cf6d8284e88a13da36e06012bdd0abe2"
