"""The daemon under measurement: all of it, over a venue whose fills are made up."""
