"""Decide whether A is faster than B: rounds of fresh processes, and a paired test that may stop early."""
