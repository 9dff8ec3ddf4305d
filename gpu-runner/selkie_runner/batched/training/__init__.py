"""Trains many adapters at once: what is packed into a step, the step, and the state of each job."""
