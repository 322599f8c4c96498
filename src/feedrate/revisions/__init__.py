"""Another commit's code, built into an environment of its own and measured there."""
