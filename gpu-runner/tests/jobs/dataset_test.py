"""What is read and what is learnt of each kind of example, token by token."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from selkie_runner.errors import InvalidDataset
from selkie_runner.jobs import dataset as module
from selkie_runner.jobs.batches import keeps_packed_rows_apart, mean_loss, packed, padded
from selkie_runner.jobs.dataset import Row, encode, load_rows
from support.engine import FAMILIES, dataset, tiny

MODEL = tiny("llama-tiny")
EOS = "<|im_end|>"


def split(example: Mapping[str, Any], max_length: int = 100, append_eos: bool = True) -> tuple[str, str]:
    """The texts of the tokens that are only read, and of those that are learnt."""
    row = encode(example, MODEL.tokenizer, max_length, append_eos)
    read, learnt = row.ids[: row.first_target], row.ids[row.first_target :]
    return str(MODEL.tokenizer.decode(list(read))), str(MODEL.tokenizer.decode(list(learnt)))


CHAT = {"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "In the sea."}]}
LONGER = {
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Where?"},
        {"role": "assistant", "content": "Sea \n"},
    ]
}

GOLDEN: list[tuple[Mapping[str, Any], bool, tuple[str, str]]] = [
    ({"text": "The sea."}, True, ("", "The sea." + EOS)),
    ({"text": "The sea."}, False, ("", "The sea.")),
    ({"text": "The sea." + EOS}, True, ("", "The sea." + EOS)),
    ({"prompt": "Q:", "completion": " A"}, True, ("Q:", " A" + EOS)),
    ({"prompt": "Q:", "completion": " A"}, False, ("Q:", " A")),
    ({"prompt": "", "completion": "A"}, True, ("", "A" + EOS)),
    (CHAT, True, ("<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\n", "In the sea." + EOS)),
    (CHAT, False, ("<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\n", "In the sea." + EOS)),
    (
        LONGER,
        True,
        (
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\nYes?<|im_end|>\n"
            "<|im_start|>user\nWhere?<|im_end|>\n<|im_start|>assistant\n",
            "Sea \n" + EOS,
        ),
    ),
]


@pytest.mark.parametrize(("example", "append_eos", "expected"), GOLDEN)
def test_what_is_learnt(example: Mapping[str, Any], append_eos: bool, expected: tuple[str, str]) -> None:
    assert split(example, max_length=300, append_eos=append_eos) == expected


def test_cut_rows_have_no_end_token() -> None:
    assert split({"text": "0123456789"}, max_length=11) == ("", "0123456789" + EOS)
    assert split({"text": "0123456789"}, max_length=10) == ("", "0123456789")
    assert split({"text": "0123456789"}, max_length=8) == ("", "01234567")
    assert split({"prompt": "01234", "completion": "56789"}, max_length=8) == ("01234", "567")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: Expecting"),
        ("[]", "must be"),
        ("{}", "must be"),
        ('{"text": ""}', "must be"),
        ('{"text": 1}', "must be"),
        ('{"text": "a", "prompt": "b"}', "must be"),
        ('{"prompt": "a", "completion": ""}', "must be"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "two messages or more"),
        ('{"messages": [{"role": "user", "content": "a"}, {"role": "tool", "content": "b"}]}', "one of the roles"),
        ('{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}', "must be the assistant"),
        (json.dumps({"prompt": "p" * 64, "completion": "c"}), "nothing to learn is left: 64 tokens"),
    ],
)
def test_broken_lines_are_named(line: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text('{"text": "fine"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(InvalidDataset, match=r"data\.jsonl line 2: ") as error:
        load_rows(tmp_path, MODEL, 64, True)
    assert message in str(error.value)


def test_empty_and_missing_datasets(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match="no examples"):
        load_rows(dataset(tmp_path / "empty", []), MODEL, 64, True)
    with pytest.raises(InvalidDataset, match="cannot read"):
        load_rows(tmp_path / "nowhere", MODEL, 64, True)


def test_model_without_template_says_what_to_do() -> None:
    model = tiny("llama-tiny")
    model.tokenizer.chat_template = None
    with pytest.raises(ValueError, match="no chat template; use text"):
        encode(CHAT, model.tokenizer, 100, True)


def test_line_separators_inside_a_text_are_no_line_ends(tmp_path: Path) -> None:
    text = "one\u2028two\x85three"
    assert load_rows(dataset(tmp_path, [{"text": text}]), MODEL, 64, False) == (
        encode({"text": text}, MODEL.tokenizer, 64, False),
    )


def test_tokenised_once_per_content_and_settings(tmp_path: Path) -> None:
    first = load_rows(dataset(tmp_path / "a", [{"text": "same"}]), MODEL, 64, True)
    assert load_rows(dataset(tmp_path / "b", [{"text": "same"}]), MODEL, 64, True) is first
    assert load_rows(tmp_path / "a" / "data.jsonl", MODEL, 64, True) is first
    assert load_rows(tmp_path / "a", MODEL, 64, False) is not first
    assert load_rows(tmp_path / "a", MODEL, 32, True) is not first


CPU = torch.device("cpu")
ROWS = [Row((5, 6, 7), 0), Row((8,), 0), Row((9, 10, 11, 12), 2)]


def test_packed_batch_by_hand() -> None:
    batch = packed(ROWS, CPU)
    assert batch.inputs["input_ids"].tolist() == [[5, 6, 7, 8, 9, 10, 11, 12]]
    assert batch.inputs["position_ids"].tolist() == [[0, 1, 2, 0, 0, 1, 2, 3]]
    assert batch.inputs["logits_to_keep"].tolist() == [0, 1, 5, 6]
    assert batch.targets.tolist() == [6, 7, 11, 12]
    assert batch.target_count == 4


def test_padded_batch_by_hand() -> None:
    batch = padded(ROWS, length=5, pad_id=2, device=CPU)
    assert batch.inputs["input_ids"].tolist() == [[5, 6, 7, 2, 2], [8, 2, 2, 2, 2], [9, 10, 11, 12, 2]]
    assert batch.inputs["attention_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 0]]
    unread = [[6, 7, 2, 2, -100], [2, 2, 2, 2, -100], [-100, 11, 12, 2, -100]]
    assert batch.targets.tolist() == [target for row in unread for target in row]
    assert batch.target_count == 11


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_rows_do_not_see_each_other(family: str) -> None:
    model = tiny(family)
    assert keeps_packed_rows_apart(model.model)
    alone = [mean_loss(model.model, packed([row], CPU)) * packed([row], CPU).target_count for row in ROWS]
    together = mean_loss(model.model, packed(ROWS, CPU)) * 4
    assert float(together) == pytest.approx(sum(float(loss) for loss in alone), rel=1e-6)


def test_model_that_mixes_packed_rows_is_noticed() -> None:
    class FakeMixer(torch.nn.Module):
        device = CPU

        def forward(self, input_ids: torch.Tensor, logits_to_keep: torch.Tensor, **_: Any) -> Any:
            class Output:
                # every position sees all tokens before it
                logits = torch.cumsum(input_ids.float(), dim=1)[:, logits_to_keep, None]

            return Output()

    assert not keeps_packed_rows_apart(FakeMixer())  # pyright: ignore[reportArgumentType]


def test_a_line_may_have_a_weight_and_soft_targets() -> None:
    line = {"prompt": "Q:", "completion": " A", "weight": -0.5}
    plain = encode({"prompt": "Q:", "completion": " A"}, MODEL.tokenizer, 100, True)
    assert encode(line, MODEL.tokenizer, 100, True) == replace(plain, weight=-0.5)
    learnt = plain.ids[plain.first_target :]
    soft = [[[token, 0.75], [1, 0.245]] for token in learnt]
    row = encode({**line, "softTargets": soft}, MODEL.tokenizer, 100, True)
    assert row.soft_targets is not None
    assert [target[0][0] for target in row.soft_targets] == list(learnt)
    assert all(sum(share for _, share in target) == pytest.approx(1, abs=1e-15) for target in row.soft_targets)
    # a row that is cut keeps the targets of the tokens that are left
    short = encode({**line, "softTargets": soft}, MODEL.tokenizer, len(plain.ids) - 1, True)
    assert short.soft_targets == row.soft_targets[:-1]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weight": "1"}, "weight must be a finite number"),
        ({"weight": True}, "weight must be a finite number"),
        ({"weight": math.inf}, "weight must be a finite number"),
        ({"softTargets": []}, "one entry for each of the"),
        ({"softTargets": [[[0, 1]]] * 2}, "one entry for each of the"),
        ({"text": "A", "softTargets": [[[0, 0.5]], [[0, 1]]]}, "add up to 1"),
        ({"text": "A", "softTargets": [[], [[0, 1]]]}, "add up to 1"),
        ({"text": "A", "softTargets": [[[-1, 1]], [[0, 1]]]}, "id below"),
        ({"text": "A", "softTargets": [[[0, 2]], [[0, 1]]]}, "id below"),
    ],
)
def test_malformed_weights_and_soft_targets_are_refused(fields: Mapping[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode({"text": "A long text", **fields}, MODEL.tokenizer, 100, True)


def test_known_datasets_are_kept_up_to_a_number_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_cache", module._RowCache())  # pyright: ignore[reportPrivateUsage]
    texts = [[{"text": f"{number} " + "word " * 40}] for number in range(3)]
    folders = [dataset(tmp_path / str(number), lines) for number, lines in enumerate(texts)]

    def load(number: int) -> tuple[Row, ...]:
        return load_rows(folders[number], MODEL, 100, True)

    first = load(0)
    assert load(0) is first
    # room for one dataset and a half
    monkeypatch.setattr(module, "_CACHE_BYTES", 3 * (256 + 8 * len(first[0].ids)) // 2)
    second = load(1)
    assert load(1) is second
    assert load(0) is not first
