"""Targets of rows that have a teacher: what the learner's frozen layers predict after the teacher's prompt."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...jobs.dataset import Row
from ...jobs.lessons import is_own_teacher, most_likely, read_by_teacher, taught
from ...jobs.soft_targets import SoftTarget
from ..base import MAX_LOGITS, FrozenBase
from ..kernels.elementwise import rms_norm
from ..kernels.products import times_transposed
from ..lora.frozen import FrozenAdapter
from ..lora.layout import LoraTerm
from .forward_backward import states_below
from .packing import Segment, packed_tokens, plan_step
from .shared_prefix import share_prefixes

_CACHED_LESSONS = 64

_Lesson = tuple[tuple[Path, ...], tuple[Row, ...]]


class Teaching:
    """Makes targets, a lesson of several rows per pass. Lessons are kept: jobs that replay the same rows share them."""

    def __init__(self, base: FrozenBase) -> None:
        self._base = base
        self._lessons: OrderedDict[_Lesson, list[Row]] = OrderedDict()
        self._lock = threading.Lock()

    def teach(
        self, rows: Sequence[Row], stack: Sequence[Path], adapters: Sequence[FrozenAdapter]
    ) -> tuple[list[Row], int]:
        """Give rows their targets.

        Args:
            rows: one lesson, each row with a teacher.
            stack: names `adapters`, the frozen layers of the learner.

        Returns:
            The rows with soft targets, and the tokens that were computed.
        """
        lesson = (tuple(stack), tuple(rows))
        with self._lock:
            if lesson in self._lessons:
                self._lessons.move_to_end(lesson)
                return self._lessons[lesson], 0
        segments = share_prefixes([_as_read(row) for row in rows])
        predictions = iter(_predictions(self._base, segments, adapters))
        learnt = [taught(row, [next(predictions) for _ in row.ids[row.first_target :]]) for row in rows]
        with self._lock:
            self._lessons[lesson] = learnt
            if len(self._lessons) > _CACHED_LESSONS:
                self._lessons.popitem(last=False)
        return learnt, packed_tokens(segments)


def next_lesson(rows: Sequence[Row], pass_tokens: int) -> Sequence[Row]:
    """As many leading rows as fit in `pass_tokens`, at least one.

    Rows that are their own teachers are replayed by many jobs, so they share no lesson with a job's other rows.
    """
    count = 1
    while (
        count < len(rows)
        and is_own_teacher(rows[count]) == is_own_teacher(rows[0])
        and packed_tokens(share_prefixes([_as_read(row) for row in rows[: count + 1]])) <= pass_tokens
    ):
        count += 1
    return rows[:count]


def _as_read(row: Row) -> Segment:
    read = read_by_teacher(row)
    return Segment(read.ids, read.first_target, len(read.ids))


@torch.no_grad()
def _predictions(base: FrozenBase, segments: Sequence[Segment], adapters: Sequence[FrozenAdapter]) -> list[SoftTarget]:
    """The most likely labels of each predicted position, in the order of the segments."""
    plan = plan_step([segments], base)
    terms = [LoraTerm(plan.spans[0], layer.weights, layer.scale, None) for layer in adapters]
    states = states_below(base, plan, terms, len(base.layers)).index_select(0, plan.target_rows)
    final, _ = rms_norm(states, base.norm.weight, base.norm.eps)
    size = max(1, MAX_LOGITS // base.head.shape[0])
    chunks: Sequence[Tensor] = final.split(size)
    return [labels for chunk in chunks for labels in most_likely(times_transposed(chunk, base.head, base.packed_head))]
