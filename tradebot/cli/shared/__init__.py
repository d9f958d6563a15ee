"""What verbs of different families share: options, tables, places, faults, progress."""
