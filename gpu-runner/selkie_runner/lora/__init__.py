"""LoRA layers as files and in PEFT: weights, the folder that other tools read, the host that applies them."""
