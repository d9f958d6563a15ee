"""Where the exchange's prices come from: synthetic or recorded."""
