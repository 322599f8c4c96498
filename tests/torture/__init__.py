"""Kills and failing system calls at moments that a seed decides, and what must hold after each: `make torture`."""
