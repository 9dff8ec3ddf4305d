"""The Temporal worker and its activities."""
