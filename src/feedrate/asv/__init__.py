"""What ties feedrate to asv: an environment, a matrix, benchmarks, a machine file and a site. Nothing here imports torch."""
