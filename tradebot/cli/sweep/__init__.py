"""The verb `sweep`: the plan of its options, the run, and the output of the results."""
