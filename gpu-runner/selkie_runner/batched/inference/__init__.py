"""Generates and scores with many adapters at once: continuous batching, KV cache, prefix cache."""
