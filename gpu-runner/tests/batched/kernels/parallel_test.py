"""Work side by side: nothing shared, nothing lost, and the threads of the CPU as they were."""

import threading
from functools import partial
from pathlib import Path

import pytest
import torch

from batched.training.trainer_test import MIX, jobs_in, largest_difference, policy, same_bits
from selkie_runner.batched import BatchedTrainer
from selkie_runner.batched.kernels.parallel import side_by_side, streams_of, use_threads
from selkie_runner.batched.training import passes, trainer
from support.batched import checkpoint_of, run_all, tiny, true_fp64


@pytest.fixture(autouse=True)
def two_threads():
    usual = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(usual)


def set_streams(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    def streams_of(_: torch.device) -> int:
        return count

    for module in (passes, trainer):
        monkeypatch.setattr(module, "streams_of", streams_of)


def test_pieces_run_at_the_same_time_each_on_one_thread_without_gradients() -> None:
    both = threading.Barrier(2, timeout=5)

    def piece(name: str) -> tuple[str, int, bool]:
        both.wait()
        return name, torch.get_num_threads(), torch.is_grad_enabled()

    with torch.no_grad():
        assert side_by_side([partial(piece, "a"), partial(piece, "b")]) == [("a", 1, False), ("b", 1, False)]
    assert torch.get_num_threads() == 2


def test_a_piece_that_is_alone_has_all_threads() -> None:
    assert side_by_side([torch.get_num_threads]) == [2]


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_is_raised_once_all_have_ended(failing: int) -> None:
    ended = threading.Event()

    def fails() -> None:
        raise ZeroDivisionError

    def works() -> None:
        threading.Event().wait(0.05)
        ended.set()

    work = [works, works]
    work[failing] = fails
    with pytest.raises(ZeroDivisionError):
        side_by_side(work)
    assert ended.is_set()
    assert torch.get_num_threads() == 2


def test_a_thread_that_is_still_to_come_computes_with_one() -> None:
    use_threads(1)
    use_threads(2)
    seen: list[int] = []
    another = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    another.start()
    another.join()
    assert (torch.get_num_threads(), seen) == (2, [1])


def test_only_a_cpu_of_few_threads_is_process_pool() -> None:
    assert streams_of(torch.device("cpu")) == 2
    assert streams_of(torch.device("cuda")) == 1
    torch.set_num_threads(64)
    assert streams_of(torch.device("cpu")) == 1


def test_how_many_streams_there_are_does_not_matter_in_fp64(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with true_fp64():
        model = tiny("llama-tiny")
        mix = [*MIX, {**MIX[1], "frozen_below": 0.5, "epochs": 4}, {**MIX[3], "frozen_below": 0.5}]
        jobs = jobs_in(tmp_path, mix, [policy(tmp_path / "policy", model)])
        found: list[list[dict[str, torch.Tensor]]] = []
        for streams in (1, 2, 3):
            set_streams(monkeypatch, streams)
            handles = run_all(BatchedTrainer(model, token_budget=60), jobs, tmp_path / str(streams))
            found.append([checkpoint_of(handle.work_dir) for handle in handles])
        for divided in found[1:]:
            for whole, part in zip(found[0], divided, strict=True):
                assert largest_difference(whole, part) < 1e-9


def test_deterministic_mode_divides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny("llama-tiny", torch.float32)
    jobs = jobs_in(tmp_path, MIX)
    found: list[list[dict[str, torch.Tensor]]] = []
    for streams in (1, 3):
        set_streams(monkeypatch, streams)
        handles = run_all(BatchedTrainer(model, deterministic=True), jobs, tmp_path / str(streams))
        found.append([checkpoint_of(handle.work_dir) for handle in handles])
    assert all(same_bits(one, other) for one, other in zip(*found, strict=True))
