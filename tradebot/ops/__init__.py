"""What the operator sees and the supervisor needs: logs, events, systemd notification and unit, latencies."""
