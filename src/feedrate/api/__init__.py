"""What a notebook and the command line call: sessions, and functions that open one for a single question."""
