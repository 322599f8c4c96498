"""Loaders that ship with feedrate; one idea a file."""
