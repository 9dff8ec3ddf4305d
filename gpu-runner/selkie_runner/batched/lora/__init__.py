"""LoRA layers of many adapters beside one frozen base, applied to packed rows."""
