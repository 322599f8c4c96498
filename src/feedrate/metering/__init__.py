"""Inside the fresh process: the three times of a cell, and the checks that a number needs."""
