"""From the disk to the device: blocks, the plan, columns, batches, buffers and the transfer."""
