"""The verb `data`: its commands for past bars."""
