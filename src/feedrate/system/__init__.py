"""This machine: hardware, GPUs, processes, memory, the page cache, thread pools, load and the clock."""
