"""The one thread that owns the device, and its share of the CPU."""
