"""Trainings under way: who waits for which, in which engine and process."""
