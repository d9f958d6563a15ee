"""The desk of revision fff149a3f8cf, written by `freeze.py`; not edited by hand."""

REVISION = "fff149a3f8cf352e1aac582946947d1ccb47640f"
