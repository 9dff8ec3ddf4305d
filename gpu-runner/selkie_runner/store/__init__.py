"""Files that outlive a process: artifacts by digest and the checkpoints of trainings."""
