"""The oracle: training and decoding by plain PEFT and transformers, nothing clever. The batched engine equals it."""
