"""A learner as its own teacher: its predictions with another prompt, such as the document, are a row's targets.

Context distillation, off-policy and teacher-forced (arXiv 2412.14964): the row's completion is read after the teacher's
prompt, and what the frozen layers predict there is kept as soft targets. With the row's own prompt the rows keep what
the learner knew: a KL penalty on replayed rows.
"""

from dataclasses import dataclass
from typing import cast


@dataclass(frozen=True)
class Teacher:
    """What is read instead of a row's prompt.

    Attributes:
        ids: the teacher's prompt.
        label_share: the share of each target that is the row's own token; the rest is the teacher's prediction.
    """

    ids: tuple[int, ...]
    label_share: float


def parse_teacher(value: object) -> tuple[str, float]:
    """Read `{"prompt": …, "labelShare": …}`; the share is 0 where it is absent.

    Raises:
        ValueError: it is something else.
    """
    match value:
        case {"prompt": str(prompt), **rest} if not set(rest) - {"labelShare"}:
            share = cast(dict[str, object], rest).get("labelShare", 0)
            if isinstance(share, (int, float)) and not isinstance(share, bool) and 0 <= share <= 1:
                return prompt, float(share)
        case _:
            pass
    raise ValueError('a teacher must be {"prompt"} with, at most, a "labelShare" from 0 to 1')
