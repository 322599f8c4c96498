"""What an author writes against: loaders, steps, workloads, their knobs and needs, the hooks and the registry."""
