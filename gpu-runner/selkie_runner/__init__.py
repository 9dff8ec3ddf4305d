"""Trains and serves LoRA adapters for Selkie: a process per device, with a library of the same parts."""

import os

# Read when torch loads OpenMP. Its threads spin while they wait for one another at the end of every product, for longer
# than a thread keeps a core: next to other work they spin away their time waiting for one that has no core. 8000
# turns are a fraction of a millisecond, enough where each has a core.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "8000")
