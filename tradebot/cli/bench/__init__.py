"""The verb `bench`: a module for each kind of path that is measured."""
