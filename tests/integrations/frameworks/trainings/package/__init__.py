"""A package that is run as one."""
