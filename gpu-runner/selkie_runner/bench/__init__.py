"""Measurements of the engine that need nothing but torch, transformers, peft and safetensors: no server, no network."""
