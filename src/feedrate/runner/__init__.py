"""The parent: one fresh process for each replicate, the fork server, and the order of cells."""
