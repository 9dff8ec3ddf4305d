"""Trainings in hand: who waits for which, on which engine, in which process."""
