"""Answer what a notebook and the command line ask: sessions, and functions that open one for a single question."""
