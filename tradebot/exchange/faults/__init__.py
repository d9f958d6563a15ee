"""Fault injection at a venue: the catalogue of faults, the plan that draws them, and how each is committed."""
