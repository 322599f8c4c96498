"""Make one self-contained page of raw results: sentences first, then pictures, then every number and its line."""
