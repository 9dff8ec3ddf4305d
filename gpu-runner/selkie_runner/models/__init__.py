"""Base models: which there are, how they are loaded, and what their files are checked against."""
