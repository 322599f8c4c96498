"""Inside the fresh process: a cell taken apart, stage by stage."""
