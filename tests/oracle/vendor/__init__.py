"""The desk of revision ab9cb9bacf12, written by `freeze.py`; not edited by hand."""

REVISION = "ab9cb9bacf129e83ffac9a5a4be67e4cec9ff1f9"
