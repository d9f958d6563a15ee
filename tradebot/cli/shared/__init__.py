"""What verbs of several families share: options, tables, places, faults, progress."""
