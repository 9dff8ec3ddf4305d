"""One packed forward and backward pass through the frozen base with many adapters, without autograd.

The backward pass ends at the lowest layer that is trained. The test suite holds it equal to Hugging Face's modules
under autograd to rounding in fp64.
"""

import torch
from torch import Tensor

from ..base import FrozenBase
from ..layers.layer import LayerBackward
from ..layers.passes import TrainingPass
from ..lora.grouped import lora_kernels, prefers_grouped
from ..lora.layout import LoraTerm
from .loss import target_losses
from .packing import StepPlan


@torch.no_grad()
def states_below(base: FrozenBase, plan: StepPlan, terms: list[LoraTerm], layer: int) -> Tensor:
    """The hidden states [T, hidden] that enter `layer`, computed with the frozen `terms`."""
    step = _training_pass(base, plan, terms, grouped=False)
    x = base.embed(plan.ids)
    for below in base.layers[:layer]:
        x, _ = below.forward(x, step)
    return x


@torch.no_grad()
def forward_backward(base: FrozenBase, plan: StepPlan, terms: list[LoraTerm], *, grouped: bool | None = None) -> Tensor:
    """Run the step and write every trained term's gradients into its `gradients`.

    A plan with states begins at the lowest trained layer, which then is the same for all terms.

    Args:
        terms: trained ones first, in the order of their rows.
        grouped: compute adapters of one shape in grouped products; by default where the device is fast at those.

    Returns:
        Each job's loss [jobs], in the plan's order; 0 for a job without targets.
    """
    if grouped is None:
        grouped = prefers_grouped(base.device, base.dtype)
    step = _training_pass(base, plan, terms, grouped=grouped)
    trained = [term.weights.layout.lowest_layer for term in terms if term.gradients is not None]
    lowest = min(trained, default=len(base.layers))
    x = base.embed(plan.ids) if plan.cached_hidden is None else plan.cached_hidden
    backwards: list[LayerBackward] = []
    for index in range(0 if plan.cached_hidden is None else lowest, len(base.layers)):
        x, backward = base.layers[index].forward(x, step)
        if index >= lowest:
            backwards.append(backward)
    final, norm_backward = base.norm.forward([x.index_select(0, plan.target_rows)], step)
    losses = target_losses(final[0], base, plan)
    [d_final] = norm_backward([losses.d_hidden], True)
    dy: Tensor | None = torch.zeros_like(x).index_copy_(0, plan.target_rows, d_final)
    del x, final, norm_backward, d_final
    while backwards and dy is not None:
        # popped, so that a layer's activations are free as soon as its gradients are there
        backward = backwards.pop()
        dy = backward(dy, bool(backwards))
    return losses.of_jobs


def _training_pass(base: FrozenBase, plan: StepPlan, terms: list[LoraTerm], *, grouped: bool) -> TrainingPass:
    cos, sin = base.rotation(plan.positions)
    return TrainingPass(lora_kernels(terms, base.dtype, grouped=grouped), cos, sin, plan.attention)
