"""The desk of revision 6a2cb0d004e1, written by `freeze.py`; not edited by hand."""

REVISION = "6a2cb0d004e12c0fa830ac713b64f42a4442fe7d"
