"""Workloads that ship with feedrate."""
