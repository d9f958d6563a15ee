"""The whole engine on virtual time: one seed decides everything, so that a seed is a bug report."""
