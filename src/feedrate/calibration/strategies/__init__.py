"""Hold the loaders, steps and the workload of known behaviour."""
