"""The rivals of our way: plain scripts, other libraries and other stores. The product uses none of this."""
