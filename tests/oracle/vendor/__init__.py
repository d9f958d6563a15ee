"""The desk of revision 41806488be99, written by `freeze.py`; not edited by hand."""

REVISION = "41806488be992a9294ee0f9efdb8a27fb831c787"
