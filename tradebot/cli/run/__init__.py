"""The verb `run`, and the verdict at the end of a rehearsal."""
