"""The verb `bench`: one module for each kind of benchmark."""
