"""Give asv what it asks for: an environment, a matrix, benchmarks, a machine file, a site. No torch here."""
