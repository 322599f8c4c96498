"""What ties feedrate to asv: an environment, a matrix, benchmarks, a machine file, a site. No torch here."""
