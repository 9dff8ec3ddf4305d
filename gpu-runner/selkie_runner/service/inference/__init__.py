"""Requests for completions and scores, up to the device: by adapter, or all adapters in one batch."""
