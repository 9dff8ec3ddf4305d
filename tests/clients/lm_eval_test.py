"""EleutherAI's evaluation harness over `local-completions`, on tasks that need no network."""

import os
import tempfile

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": tempfile.mkdtemp(prefix="selkie-hf-")}

import pytest
import requests
from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager
from server import ADAPTER, BASE_URL, MODEL

TOKENIZER = requests.get(f"{BASE_URL}/models/{MODEL}", timeout=60).json()["root"]


def evaluated(task, model, base_url=f"{BASE_URL}/completions"):
    return simple_evaluate(
        model="local-completions",
        model_args=f"model={model},base_url={base_url},tokenizer={TOKENIZER},num_concurrent=2,max_length=512",
        tasks=[task],
        task_manager=TaskManager(include_path="lm_eval", include_defaults=False),
        bootstrap_iters=0,
    )["samples"][task]


def logprob(model, question, choice):
    """Of a choice, by the server's own scores."""
    prompt = f"Question: {question}\nAnswer:"
    body = {"model": model, "prompt": f"{prompt} {choice}", "echo": True, "logprobs": 1, "max_tokens": 0}
    answer = requests.post(f"{BASE_URL}/completions", json=body, timeout=60).json()
    # a token is a byte
    return sum(answer["choices"][0]["logprobs"]["token_logprobs"][len(prompt) :])


@pytest.mark.parametrize("model", [MODEL, ADAPTER])
def test_loglikelihoods_are_the_servers(model):
    samples = evaluated("selkie_loglikelihood", model)
    assert len(samples) == 3
    for sample in samples:
        question, choices = sample["doc"]["question"], sample["doc"]["choices"]
        found = [float(response[0][0]) for response in sample["resps"]]
        assert found == pytest.approx([logprob(model, question, choice) for choice in choices], abs=1e-2)


def test_generate_until():
    samples = evaluated("selkie_generate", MODEL)
    assert [len(sample["resps"]) for sample in samples] == [1, 1, 1]
