"""The desk: signals and quotes in, orders out, what the venue says into positions; with its gate and its memory."""
