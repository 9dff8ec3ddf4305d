"""What Prometheus reads from `/metrics`."""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .device import DeviceLoop
from .served import ServedAdapters


class Metrics:
    """Counters of this process, in a registry of their own so that tests can have several."""

    content_type: Final = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, device: DeviceLoop, adapters: ServedAdapters, waiting_rows: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.prompt_tokens = Counter(
            "selkie_prompt_tokens", "Tokens of prompts that were answered", registry=self.registry
        )
        self.generated_tokens = Counter("selkie_generated_tokens", "Tokens produced", registry=self.registry)
        self.training_steps = Counter("selkie_training_steps", "Optimizer steps taken", registry=self.registry)
        self.trainings = Counter("selkie_trainings", "Trainings by how they ended", ["outcome"], registry=self.registry)
        self.registry.register(_State(device, adapters, waiting_rows))

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)


class _State(Collector):
    """Read at the moment of asking."""

    def __init__(self, device: DeviceLoop, adapters: ServedAdapters, waiting_rows: Callable[[], int]) -> None:
        self._device = device
        self._adapters = adapters
        self._waiting_rows = waiting_rows

    def collect(self) -> Iterable[Metric]:
        busy = CounterMetricFamily("selkie_device_busy_seconds", "Time the device thread worked", labels=["lane"])
        for lane, seconds in self._device.busy_seconds.items():
            busy.add_metric([lane], seconds)
        queued = GaugeMetricFamily("selkie_device_queue", "Jobs that wait for their turn", labels=["lane"])
        for lane, jobs in self._device.queued().items():
            queued.add_metric([lane], jobs)
        rows = GaugeMetricFamily("selkie_rows_waiting", "Prompts that wait for a batch", value=self._waiting_rows())
        loaded = GaugeMetricFamily("selkie_adapters", "Adapters that can be asked", value=len(self._adapters.all()))
        resident = GaugeMetricFamily(
            "selkie_adapters_resident", "Adapters whose weights are on the device", value=self._adapters.resident
        )
        return [busy, queued, rows, loaded, resident]
