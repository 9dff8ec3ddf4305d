"""A decoder layer described once: the same ops yield the forward pass, the backward pass and inference."""
