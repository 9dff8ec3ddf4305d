"""What the work folder of one training holds, `<work>/trainings/<trainingKey>/`, besides what it exports."""

from typing import Final

#: parameters and optimizer state after the last saved step
CHECKPOINT: Final = "checkpoint.safetensors"
#: device-seconds of all attempts
DEVICE_SECONDS: Final = "device-seconds"
#: held by the process that trains it
LOCK: Final = "lock"
