"""The desk of revision 3ec9aa7b8823, written by `freeze.py`; not edited by hand."""

REVISION = "3ec9aa7b8823affb64daab21e96344711f71c1b5"
