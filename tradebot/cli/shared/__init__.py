"""Code that verbs of several families share: options, tables, paths, faults, progress bars."""
