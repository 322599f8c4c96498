"""Loaders, steps and a workload of known behaviour."""
