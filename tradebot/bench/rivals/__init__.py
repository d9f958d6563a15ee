"""The ways beside ours: plain scripts, other libraries and other stores; nothing here belongs to the product's path."""
