"""What a person sees: tables of outcomes and the progress of a run. Numbers come in, text goes out; no torch."""
