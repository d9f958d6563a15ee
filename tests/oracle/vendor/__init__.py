"""The desk of revision 40c5c9a23ede, written by `freeze.py`; not edited by hand."""

REVISION = "40c5c9a23edeb81bc2a2a5c610358c1c61fa5a82"
