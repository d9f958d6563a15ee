"""The verb `sweep`: the plan that is asked for, its trials, and what came of them."""
