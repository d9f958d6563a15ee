"""The benchmark of a burst: all symbols close a bar at one instant, from the close to the last order."""
