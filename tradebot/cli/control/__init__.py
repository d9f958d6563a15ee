"""The operator's verbs, a module each: `status`, `halt` and `resume`, `flatten`, `kill`."""
