"""What the operator sees: logs, systemd notification and unit, latencies."""
