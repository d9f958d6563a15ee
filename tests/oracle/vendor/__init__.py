"""The desk of revision bd047ea562a7, written by `freeze.py`; not edited by hand."""

REVISION = "bd047ea562a72ae0441093b539a91edd157934c8"
