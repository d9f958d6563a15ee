"""The desk of revision 92861087fdab, written by `freeze.py`; not edited by hand."""

REVISION = "92861087fdab2345b46dd404d1a9feaf617450e9"
