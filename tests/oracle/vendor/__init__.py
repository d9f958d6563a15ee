"""The desk of revision 847ee5762f91, written by `freeze.py`; not edited by hand."""

REVISION = "847ee5762f9191d1d1dbea94244b29a97c43527e"
