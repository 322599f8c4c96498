"""What holds a cell back: evidence, attribution to stages, a verdict, and what changed since a commit."""
