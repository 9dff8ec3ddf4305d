"""What is trained: rows, their order, and the schedule of steps."""
