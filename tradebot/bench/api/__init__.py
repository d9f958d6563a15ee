"""The benchmark of the operator's API: what requests and readers of events cost the orders of a running daemon."""
