"""Inside a person's own training: its loop fed by turns, so that the three times come of it as it is."""
