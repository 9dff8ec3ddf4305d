"""Trains and serves LoRA adapters for Selkie."""
