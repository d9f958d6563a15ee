"""The desk of revision 426ffa57ea5c, written by `freeze.py`; not edited by hand."""

REVISION = "426ffa57ea5c26b08cfbf7de8cab40af30b1c8f0"
