"""One packed forward and backward pass through the frozen decoder with many adapters, without autograd.

Only activation gradients and the adapters' own exist, so the pass is short enough to write out; that saves what
autograd would keep and convert, and lets the lowest layer stop where nothing below is trained. The test suite holds it
equal to Hugging Face's modules under autograd to rounding in fp64.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..base import DOWN, GATE_UP, OUT, QKV, FrozenBase, Layer
from ..kernels.attention import SavedAttention, attend, attend_backward
from ..kernels.elementwise import (
    rms_norm,
    rms_norm_backward,
    rotate,
    rotate_backward,
    statistics_dtype,
    swiglu,
    swiglu_backward,
)
from ..lora.grouped import lora_kernels, prefers_grouped
from ..lora.layout import LoraTerm
from ..lora.linear import SavedGroup, project, project_backward
from .loss import target_losses
from .packing import StepPlan


@dataclass(frozen=True)
class _SavedLayer:
    x: Tensor
    x_reciprocal: Tensor
    middle: Tensor
    middle_reciprocal: Tensor
    attention: SavedAttention
    gate: Tensor
    up: Tensor
    groups: tuple[SavedGroup, SavedGroup, SavedGroup, SavedGroup]


class _Pass:
    """The decoder layers over one plan; holds what all of them share."""

    def __init__(self, decoder: FrozenBase, plan: StepPlan, terms: list[LoraTerm], *, grouped: bool) -> None:
        self.decoder = decoder
        self.plan = plan
        self.terms = lora_kernels(terms, decoder.dtype, grouped=grouped)
        #: nothing below is trained
        trained = [term.weights.layout.lowest_layer for term in terms if term.gradients is not None]
        self.lowest_layer = min(trained, default=len(decoder.layers))
        # queries and keys are rotated, and their scores computed, in at least fp32
        self.cos, self.sin = decoder.rotation(plan.positions, statistics_dtype(decoder.dtype))

    def forward(self, index: int, x: Tensor) -> tuple[Tensor, _SavedLayer]:
        decoder, layer = self.decoder, self.decoder.layers[index]
        normed, x_reciprocal = rms_norm(x, layer.input_norm, decoder.eps)
        (q, k, v), saved_qkv = self._project(index, layer, QKV, normed)
        tokens = x.shape[0]
        q = rotate(q.view(tokens, decoder.heads, -1), self.cos, self.sin)
        k = rotate(k.view(tokens, decoder.kv_heads, -1), self.cos, self.sin)
        attended, attention = attend(q, k, v.view(tokens, decoder.kv_heads, -1), self.plan.attention)
        (mixed,), saved_out = self._project(index, layer, OUT, attended.view(tokens, -1))
        middle = mixed.add_(x)
        normed, middle_reciprocal = rms_norm(middle, layer.post_norm, decoder.eps)
        (gate, up), saved_gate_up = self._project(index, layer, GATE_UP, normed)
        (down,), saved_down = self._project(index, layer, DOWN, swiglu(gate, up))
        groups = (saved_qkv, saved_out, saved_gate_up, saved_down)
        saved = _SavedLayer(x, x_reciprocal, middle, middle_reciprocal, attention, gate, up, groups)
        return down.add_(middle), saved

    def backward(self, index: int, dy: Tensor, saved: _SavedLayer) -> Tensor | None:
        """The gradient of the layer's input; None for the lowest layer that is trained."""
        decoder, layer = self.decoder, self.decoder.layers[index]
        d_active = _given(project_backward([dy], layer.groups[DOWN], saved.groups[DOWN], need_dx=True))
        d_gate, d_up = swiglu_backward(d_active, saved.gate, saved.up)
        d_normed = _given(project_backward([d_gate, d_up], layer.groups[GATE_UP], saved.groups[GATE_UP], need_dx=True))
        d_middle = dy + rms_norm_backward(d_normed, saved.middle, saved.middle_reciprocal, layer.post_norm)
        d_attended = _given(project_backward([d_middle], layer.groups[OUT], saved.groups[OUT], need_dx=True))
        tokens = dy.shape[0]
        d_attended = d_attended.view(tokens, decoder.heads, -1)
        dq, dk, dv = attend_backward(d_attended, saved.attention, self.plan.attention)
        d_outputs = [
            rotate_backward(dq, self.cos, self.sin).to(dy.dtype).view(tokens, -1),
            rotate_backward(dk, self.cos, self.sin).to(dy.dtype).view(tokens, -1),
            dv.to(dy.dtype).view(tokens, -1),
        ]
        d_normed = project_backward(d_outputs, layer.groups[QKV], saved.groups[QKV], need_dx=index > self.lowest_layer)
        if d_normed is None:
            return None
        return d_middle.add_(rms_norm_backward(d_normed, saved.x, saved.x_reciprocal, layer.input_norm))

    def _project(self, index: int, layer: Layer, group: int, x: Tensor) -> tuple[list[Tensor], SavedGroup]:
        return project(x, layer.groups[group], (index, group), self.terms)


@torch.no_grad()
def states_below(decoder: FrozenBase, plan: StepPlan, terms: list[LoraTerm], layer: int) -> Tensor:
    """What enters `layer` [T, hidden], above the frozen `terms`."""
    work = _Pass(decoder, plan, terms, grouped=False)
    x = decoder.embedding.index_select(0, plan.ids)
    for index in range(layer):
        x, _ = work.forward(index, x)
    return x


@torch.no_grad()
def forward_backward(
    decoder: FrozenBase, plan: StepPlan, terms: list[LoraTerm], *, grouped: bool | None = None
) -> Tensor:
    """Run the step and leave every trained term's gradients in its `gradients`.

    A plan with states begins at the lowest trained layer, which then is the same for all terms.

    Args:
        terms: trained ones first, in the order of their rows.
        grouped: compute adapters of one shape in grouped products; by default where the device is fast at those.

    Returns:
        Each job's loss [jobs], the mean over its targets, in the plan's order; 0 for a job without targets.
    """
    if grouped is None:
        grouped = prefers_grouped(decoder.device, decoder.dtype)
    work = _Pass(decoder, plan, terms, grouped=grouped)
    first = 0 if plan.states is None else work.lowest_layer
    x = decoder.embedding.index_select(0, plan.ids) if plan.states is None else plan.states
    saved: list[_SavedLayer] = []
    for index in range(first, len(decoder.layers)):
        x, kept = work.forward(index, x)
        if index >= work.lowest_layer:
            saved.append(kept)
    final = x.index_select(0, plan.target_rows)
    normed, reciprocal = rms_norm(final, decoder.norm, decoder.eps)
    losses = target_losses(normed, decoder, plan)
    d_final = rms_norm_backward(losses.d_hidden, final, reciprocal, decoder.norm)
    dy: Tensor | None = torch.zeros_like(x).index_copy_(0, plan.target_rows, d_final)
    del x, final, normed
    for index in reversed(range(work.lowest_layer, len(decoder.layers))):
        # popped, so that a layer's activations are free as soon as its gradients are there
        dy = work.backward(index, _given(dy), saved.pop())
    return torch.stack([losses.weighted[span].sum() for span in plan.target_spans])


def _given(gradient: Tensor | None) -> Tensor:
    assert gradient is not None
    return gradient
