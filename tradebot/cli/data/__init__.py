"""The verb `data`: its commands by what they do to the past bars."""
