"""The process around the engine: Temporal activities and an OpenAI-compatible HTTP server over the same weights."""
