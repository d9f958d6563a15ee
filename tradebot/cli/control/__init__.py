"""The operator's verbs: `status`, `halt` and `resume`, `flatten`, `kill`."""
