"""Trainings as people write them, none of which knows of feedrate; each test runs a copy of one."""
