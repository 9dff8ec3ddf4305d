"""What work meets while the runner shuts down."""


class RunnerStopping(RuntimeError):
    """The runner is shutting down; a training continues from its checkpoint in the next attempt."""

    def __init__(self, detail: str = "") -> None:
        super().__init__("the runner is shutting down" + (f"; {detail}" if detail else ""))


class RunnerBroken(RuntimeError):
    """The runner cannot go on: its device is lost, or its HTTP server has ended."""


class DeviceStopped(RunnerStopping):
    """The device's loop has ended and takes no more work."""
