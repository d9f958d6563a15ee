"""The verb `service`: the systemd unit, and the paths in it."""
