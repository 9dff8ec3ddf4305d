"""The jobs: self-edits as SEAL trains on them, one line a sequence and the passage itself as one more."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..jobs.dataset import FILE, load_rows
from ..jobs.job import Recipe, Targets, TrainingJob
from ..models.loading import LoadedModel

_REPOSITORY = Path(__file__).parents[3]
_SEAL = Path("data/seal/rank_iter0.json")
#: the sample corpus
SAMPLE = _REPOSITORY / "corpus/sample/knowledge/knowledge-base.jsonl"


@dataclass(frozen=True)
class Edits:
    """Self-edits, each as the sequences that one adapter is trained on.

    Attributes:
        source: where they come from, for the output.
    """

    source: str
    sequences: Sequence[Sequence[str]]


def load_edits(file: Path | None) -> Edits:
    """SEAL's own first round where it is present, else passages of the sample corpus sentence by sentence.

    Args:
        file: another file of either form.
    """
    shared = [Path(os.environ["SELKIE_SHARED"])] if "SELKIE_SHARED" in os.environ else []
    shared += [_REPOSITORY.parent / "shared", _REPOSITORY / "shared"]
    places = [file] if file else [*(folder / _SEAL for folder in shared), SAMPLE]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"no jobs to measure with: none of {', '.join(map(str, places))}")
    text = found.read_text(encoding="utf-8")
    if found.suffix == ".jsonl":
        return Edits(f"passages of {found.name}", [_of_passage(json.loads(line)) for line in text.splitlines()])
    articles = json.loads(text)["articles"]
    # an edit of each article in turn: neighbours are as different as in a real round
    rounds = zip(*(_of_article(article) for article in articles), strict=False)
    return Edits(f"self-edits of SEAL's {found.name}", [edit for edits in rounds for edit in edits])


def _of_article(article: dict[str, Any]) -> list[list[str]]:
    passage = f"{article['title']}\n{article['context']}"
    return [
        [*(line.strip() for line in completion["text"].splitlines() if line.strip()), passage]
        for completion in article["completions"]
    ]


def _of_passage(document: dict[str, Any]) -> list[str]:
    sentences = re.split(r"(?<=[.!?])\s+", document["context"])
    return [*sentences, f"{document['title']}\n{document['context']}"]


def seal_recipe(targets: Targets) -> Recipe:
    """SEAL's inner loop, without its padding."""
    return Recipe(
        rank=32,
        alpha=64,
        targets=targets,
        learning_rate=1e-3,
        schedule="linear",
        epochs=10,
        batch_size=1,
        max_steps=0,
        max_length=2048,
        max_grad_norm=1.0,
        weight_decay=0.0,
        loss_on_padding="mask",
        append_eos=True,
    )


def jobs_of(edits: Edits, count: int, targets: Targets, folder: Path, stack: Sequence[Path] = ()) -> list[TrainingJob]:
    """The first `count` edits as jobs, over again where there are fewer; writes their datasets into `folder`."""
    jobs: list[TrainingJob] = []
    for index in range(count):
        data = folder / f"edit{index}"
        data.mkdir(parents=True, exist_ok=True)
        lines = edits.sequences[index % len(edits.sequences)]
        (data / FILE).write_text("".join(json.dumps({"text": line}) + "\n" for line in lines), encoding="utf-8")
        jobs.append(TrainingJob(f"{targets}{index}", list(stack), data, seal_recipe(targets), seed=index))
    return jobs


def mean_edit_tokens(jobs: Sequence[TrainingJob], model: LoadedModel) -> float:
    """Real tokens of all steps of a job, the mean over `jobs`."""
    rows = [load_rows(job.dataset, model, job.recipe.max_length, job.recipe.append_eos) for job in jobs]
    tokens = sum(job.recipe.epochs * len(row.ids) for job, of_job in zip(jobs, rows, strict=True) for row in of_job)
    return tokens / len(jobs)
