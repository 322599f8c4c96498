"""What both sides of a measurement write and read: records, their lines in a file, and a table of them."""
