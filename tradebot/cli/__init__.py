"""The command line: one module or folder for each verb or family of verbs; `VERBS` in `__main__` lists them."""
