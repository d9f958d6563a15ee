"""The verb `run`, and the checker's verdict after a rehearsal."""
