"""The command line: a module or a folder for each verb or family of verbs; `VERBS` of `__main__` says where each is."""
