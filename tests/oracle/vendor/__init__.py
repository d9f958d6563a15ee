"""The desk of revision a4ad4b770c9c, written by `freeze.py`; not edited by hand."""

REVISION = "a4ad4b770c9c49e035b5942e44a808744697d88e"
