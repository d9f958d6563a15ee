"""The desk of revision 94b45828d620, written by `freeze.py`; not edited by hand."""

REVISION = "94b45828d620743e366ccb813091c48e6f8090f9"
