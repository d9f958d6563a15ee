"""The whole daemon under measurement, on a venue whose fills are simulated inside the broker."""
