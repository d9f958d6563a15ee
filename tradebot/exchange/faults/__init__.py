"""What can go wrong at a venue, on purpose: the catalogue of faults, the plan that draws them, and how each is done."""
