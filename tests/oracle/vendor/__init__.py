"""The desk of revision dba184340023, written by `freeze.py`; not edited by hand."""

REVISION = "dba184340023f2b97229477aa084eea7bd0ef9b1"
