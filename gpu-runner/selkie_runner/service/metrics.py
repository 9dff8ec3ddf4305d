"""What Prometheus reads from `/metrics`."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

import psutil
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..memory import process_bytes
from .admission import Admission
from .device.loop import LANES, DeviceLoop
from .inference.served_adapters import ServedAdapters


class Metrics:
    """Counters of this process, in their own registry, so that tests can have several."""

    content_type: Final = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self, device: DeviceLoop, adapters: ServedAdapters, admission: Admission) -> None:
        self.registry = CollectorRegistry()
        self.prompt_tokens = Counter(
            "selkie_prompt_tokens", "Tokens of prompts that were answered", registry=self.registry
        )
        self.generated_tokens = Counter("selkie_generated_tokens", "Tokens produced", registry=self.registry)
        self.training_steps = Counter("selkie_training_steps", "Optimizer steps taken", registry=self.registry)
        self.trainings = Counter("selkie_trainings", "Trainings by how they ended", ["outcome"], registry=self.registry)
        self._loops = [device]
        self.registry.register(_State(self._loops, adapters, admission))

    def watch(self, loop: DeviceLoop) -> None:
        """Also count another thread of the device."""
        self._loops.append(loop)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)


class _State(Collector):
    """Read at the moment of asking."""

    def __init__(self, loops: Sequence[DeviceLoop], adapters: ServedAdapters, admission: Admission) -> None:
        self._loops = loops
        self._adapters = adapters
        self._admission = admission

    def collect(self) -> Iterable[Metric]:
        busy = CounterMetricFamily("selkie_device_busy_seconds", "Time the device worked", labels=["lane"])
        queued = GaugeMetricFamily("selkie_device_queue", "Jobs that wait for their turn", labels=["lane"])
        for lane in LANES:
            busy.add_metric([lane], sum(loop.busy_seconds[lane] for loop in self._loops))
            queued.add_metric([lane], sum(loop.queued()[lane] for loop in self._loops))
        waiting = self._admission.waiting()
        rows = GaugeMetricFamily("selkie_rows_waiting", "Prompts that wait for a batch", value=waiting.rows)
        oldest = GaugeMetricFamily(
            "selkie_rows_waiting_oldest_seconds", "How long the oldest of them has waited", value=waiting.oldest_seconds
        )
        cpu = self._loops[0].cpu
        taken = GaugeMetricFamily(
            "selkie_cores_taken", "Cores that other processes keep busy", value=0.0 if cpu is None else cpu.taken()
        )
        loaded = GaugeMetricFamily("selkie_adapters", "Adapters that can be asked", value=len(self._adapters.all()))
        resident = GaugeMetricFamily(
            "selkie_adapters_resident", "Adapters whose weights are on the device", value=self._adapters.resident
        )
        memory = GaugeMetricFamily(
            "selkie_process_memory_bytes",
            "Memory of the runner's processes; a page that N processes share counts as 1/N in each",
            labels=["process"],
        )
        for name, held in _memory_of_processes():
            memory.add_metric([name], held)
        return [busy, queued, rows, oldest, taken, loaded, resident, memory]


def _memory_of_processes() -> Iterable[tuple[str, int]]:
    yield "runner", process_bytes()
    for number, child in enumerate(psutil.Process().children(recursive=True), start=1):
        with suppress(psutil.Error):
            yield f"child-{number}", process_bytes(child)
