"""The benchmark of the order path: from a quote on the wire to the order request on the wire."""
