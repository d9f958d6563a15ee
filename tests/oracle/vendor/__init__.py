"""The desk of revision b080d783f906, written by `freeze.py`; not edited by hand."""

REVISION = "b080d783f9062651cf8e4bc618d7f3e7c811c1f8"
