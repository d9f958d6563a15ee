"""The desk of revision 3d60c03b4869, written by `freeze.py`; not edited by hand."""

REVISION = "3d60c03b48699265c47a1f086b751d327a349cea"
