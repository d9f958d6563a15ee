"""What reaches a person who is not at the machine: alerts, a heartbeat, the watch over a silent daemon, a chat."""
