"""Workflows that train and ask, as small as can be: what the process test runs against a real server."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityCancellationType


@workflow.defn(name="trainOnce")
class TrainOnce:
    """One `trainAdapter`; a cancelled one ends when the runner has confirmed it."""

    @workflow.run
    async def run(self, request: dict[str, Any]) -> dict[str, Any]:
        return await workflow.execute_activity(
            "trainAdapter",
            request,
            task_queue="selkie-gpu",
            start_to_close_timeout=timedelta(minutes=2),
            heartbeat_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_attempts=5),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn(name="describeOnce")
class DescribeOnce:
    """One `describeModel`."""

    @workflow.run
    async def run(self, model: str) -> dict[str, Any]:
        return await workflow.execute_activity(
            "describeModel",
            {"model": model},
            task_queue="selkie-gpu-info",
            start_to_close_timeout=timedelta(minutes=1),
        )
