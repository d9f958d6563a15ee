"""The desk of revision 0690c7398f67, written by `freeze.py`; not edited by hand."""

REVISION = "0690c7398f675337064cf27d09c40501dd8a55cf"
