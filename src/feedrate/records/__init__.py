"""Define the records that both sides of a measurement write and read, their lines in a file, and a table of them."""
