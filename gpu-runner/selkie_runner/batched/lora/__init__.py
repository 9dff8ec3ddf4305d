"""LoRA layers of many adapters over one frozen base, applied to packed rows."""
