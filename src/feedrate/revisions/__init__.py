"""Build another commit's code into an environment of its own, and measure it there."""
