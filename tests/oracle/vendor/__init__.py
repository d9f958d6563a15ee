"""The desk of revision 0940d01da5e5, written by `freeze.py`; not edited by hand."""

REVISION = "0940d01da5e52404df8fb3880ac324dbc6777303"
