"""Show a person tables of outcomes and the progress of a run: numbers come in, text goes out; no torch."""
