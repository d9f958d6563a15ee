"""The verb `service`: the unit of systemd, and the paths that stand in it."""
