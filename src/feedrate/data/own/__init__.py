"""Files that feedrate did not write: what of them can be tensors, and how they make one table."""
