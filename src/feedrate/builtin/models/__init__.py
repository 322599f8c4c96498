"""The models of the workloads, in plain torch."""
