"""Causal attention inside each row of a packed batch.

Rows of similar length share one batched product. A row is padded to the next size of a fixed ladder, so its rounding
depends on its own length alone. The padding follows the row, where the causal mask hides it. No mask spans two rows, so
a row that is not finite cannot reach another.

A row may continue another row, its prefix, which several rows can share. Its queries see the prefix's keys before its
own, and its part of the gradients of the prefix's keys and values is added to theirs.

Written out rather than left to `scaled_dot_product_attention`: for the short rows of self-edits its backward pass on a
CPU takes 4 times as long in fp32 and 50 times in bf16. Scores, softmax and its gradient are computed in at least fp32;
the other products take operands of the pass's dtype, as FlashAttention's do.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

#: for longer rows the backward pass computes the probabilities again
RECOMPUTE_ABOVE = 512
#: scores of a bucket that are held at once
MAX_SCORES = 2**25


@dataclass(frozen=True)
class PackedRow:
    """A row of adjoining tokens in the packed layout.

    Attributes:
        length: its number of tokens.
        keys: its first `keys` positions may be attended to.
        prefix: index of the earlier row that this one continues.
    """

    length: int
    keys: int
    prefix: int | None = None


@dataclass(frozen=True)
class Bucket:
    """Rows that are computed together.

    Attributes:
        rows: their number.
        queries: positions per row, padding included.
        keys: the prefix's length + `queries`.
        start: the first query's position in the padded layout (not counted in heads).
        keys_start: the first key's position there.
        mask: [1 or rows, 1, queries, keys] added to the scores: 0, or -inf where a query does not see a key.
    """

    rows: int
    queries: int
    keys: int
    start: int
    keys_start: int
    mask: Tensor


@dataclass(frozen=True)
class SharedPrefix:
    """A prefix's packed tokens, and where its keys lie in the padded layout for each row that goes on from it.

    Attributes:
        places: [rows, length * kv heads].
    """

    tokens: slice
    places: Tensor


@dataclass(frozen=True)
class AttentionPlan:
    """Between the packed layout [T, heads, D] and the padded [positions * heads, D], grouped by bucket.

    In the padded layout the query heads that share a key head lie one after another: (row, key head, head in its
    group, position). `gather_*` say which packed vector a padded place takes (the row's last one on padding),
    `scatter_*` which padded place holds a packed vector as its own row has it, `padding_q` which padded places are
    padding.
    """

    buckets: tuple[Bucket, ...]
    heads: int
    kv_heads: int
    gather_q: Tensor
    scatter_q: Tensor
    padding_q: Tensor
    gather_kv: Tensor
    scatter_kv: Tensor
    shared: tuple[SharedPrefix, ...]


@dataclass(frozen=True)
class SavedAttention:
    """Padded queries, keys and values, and each bucket's probabilities in the values' dtype, where they were kept."""

    q: Tensor
    k: Tensor
    v: Tensor
    probabilities: list[Tensor | None]


def padded_length(length: int) -> int:
    """The ladder: multiples of 16 up to 64, then at most a quarter more than `length`."""
    if length <= 64:
        return -(-length // 16) * 16
    rung = 2 ** (math.ceil(math.log2(length)) - 3)
    return -(-length // rung) * rung


def plan_attention(rows: Sequence[PackedRow], *, heads: int, kv_heads: int, device: torch.device) -> AttentionPlan:
    """Group rows, packed in their order, into buckets."""
    starts = list(accumulate((row.length for row in rows), initial=0))
    total = starts.pop()
    by_size: dict[tuple[int, int, bool], list[int]] = {}
    for index, row in enumerate(rows):
        before = 0 if row.prefix is None else rows[row.prefix].length
        by_size.setdefault((padded_length(row.length), before, row.keys < row.length), []).append(index)

    buckets: list[Bucket] = []
    padding: list[Tensor] = []
    kv_places = torch.empty(total, kv_heads, dtype=torch.long)
    q_places = torch.empty(total, heads, dtype=torch.long)
    gather_q: list[Tensor] = []
    gather_kv: list[Tensor] = []
    read_again: dict[int, list[Tensor]] = {}
    group = heads // kv_heads
    start = keys_start = 0
    for (size, before, limited), members in sorted(by_size.items()):
        lengths = torch.tensor([rows[i].length for i in members])
        first = torch.tensor([starts[i] for i in members])
        offsets = torch.arange(size)
        tokens = first[:, None] + torch.minimum(offsets, lengths[:, None] - 1)
        # a row without a prefix has none of these columns, whatever row it names
        prefix_first = torch.tensor([starts[rows[i].prefix or 0] for i in members])
        key_tokens = torch.cat([prefix_first[:, None] + torch.arange(before), tokens], 1)
        is_padding = offsets >= lengths[:, None]
        count, keys = len(members), before + size
        # (row, kv head, head in its group, position) -> packed vector
        head = torch.arange(heads).view(kv_heads, group)
        gather_q.append((tokens[:, None, None, :] * heads + head[None, :, :, None]).reshape(-1))
        gather_kv.append((key_tokens[:, None, :] * kv_heads + torch.arange(kv_heads)[None, :, None]).reshape(-1))
        padding.append(is_padding[:, None, None, :].expand(count, kv_heads, group, size).reshape(-1))
        real = ~is_padding
        q_index = start * heads + torch.arange(count * heads * size).view(count, heads, size).transpose(1, 2)
        kv_index = torch.arange(count * kv_heads * keys).view(count, kv_heads, keys).transpose(1, 2)
        kv_index = keys_start * kv_heads + kv_index
        q_places[tokens[real]] = q_index[real]
        kv_places[tokens[real]] = kv_index[:, before:][real]
        for member, places in zip(members, kv_index[:, :before], strict=True):
            if (prefix := rows[member].prefix) is not None:
                read_again.setdefault(prefix, []).append(places.reshape(-1))
        own_keys = torch.tensor([rows[i].keys for i in members]) if limited else None
        buckets.append(Bucket(count, size, keys, start, keys_start, _mask(size, before, own_keys).to(device)))
        start += count * size
        keys_start += count * keys

    return AttentionPlan(
        buckets=tuple(buckets),
        heads=heads,
        kv_heads=kv_heads,
        gather_q=torch.cat(gather_q).to(device),
        scatter_q=q_places.reshape(-1).to(device),
        padding_q=torch.cat(padding).nonzero().squeeze(1).to(device),
        gather_kv=torch.cat(gather_kv).to(device),
        scatter_kv=kv_places.reshape(-1).to(device),
        shared=tuple(
            SharedPrefix(slice(starts[prefix], starts[prefix] + rows[prefix].length), torch.stack(places).to(device))
            for prefix, places in read_again.items()
        ),
    )


def attend(q: Tensor, k: Tensor, v: Tensor, plan: AttentionPlan) -> tuple[Tensor, SavedAttention]:
    """Attention outputs [T, heads, D] of packed `q` [T, heads, D], `k`, `v` [T, kv heads, D].

    `q` and `k` are in at least fp32; `v` is in the pass's dtype, and so is what comes out.
    """
    head_dim = q.shape[-1]
    padded_q = q.reshape(-1, head_dim).index_select(0, plan.gather_q)
    padded_k = k.reshape(-1, head_dim).index_select(0, plan.gather_kv)
    padded_v = v.reshape(-1, head_dim).index_select(0, plan.gather_kv)
    out = torch.empty_like(padded_q, dtype=v.dtype)
    kept: list[Tensor | None] = []
    for bucket in plan.buckets:
        keep = bucket.keys <= RECOMPUTE_ABOVE
        parts: list[Tensor] = []
        for chunk in _chunks(bucket, plan):
            bq, bk, bv, bo = chunk.q(padded_q), chunk.kv(padded_k), chunk.kv(padded_v), chunk.q(out)
            probabilities = _probabilities(bq, bk, chunk.mask, plan).to(v.dtype)
            torch.bmm(probabilities, bv, out=bo)
            parts.append(probabilities)
        kept.append(torch.cat(parts) if keep and len(parts) > 1 else parts[0] if keep else None)
    return out.index_select(0, plan.scatter_q).view(q.shape), SavedAttention(padded_q, padded_k, padded_v, kept)


def attend_backward(d_out: Tensor, saved: SavedAttention, plan: AttentionPlan) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of `attend` with respect to `q`, `k` and `v`, in the packed layout and in the dtype of `q`.

    Args:
        d_out: in the dtype of `v`.
    """
    head_dim, narrow = d_out.shape[-1], saved.v.dtype
    padded = d_out.reshape(-1, head_dim).index_select(0, plan.gather_q)
    padded.index_fill_(0, plan.padding_q, 0)
    dq, dk, dv = torch.empty_like(saved.q), torch.empty_like(saved.k), torch.empty_like(saved.k)
    for bucket, kept in zip(plan.buckets, saved.probabilities, strict=True):
        for chunk in _chunks(bucket, plan):
            bq, bk, bv, bo = chunk.q(saved.q), chunk.kv(saved.k), chunk.kv(saved.v), chunk.q(padded)
            p = _probabilities(bq, bk, chunk.mask, plan) if kept is None else kept[chunk.batch]
            _multiply(p.to(narrow).transpose(1, 2), bo, chunk.kv(dv))
            d_scores = torch.bmm(bo, bv.transpose(1, 2)).to(bq.dtype)
            d_scores = torch.ops.aten._softmax_backward_data(d_scores, p.to(bq.dtype), -1, bq.dtype)
            d_scores = d_scores.mul_(head_dim**-0.5).to(narrow)
            _multiply(d_scores, bk.to(narrow), chunk.q(dq))
            _multiply(d_scores.transpose(1, 2), bq.to(narrow), chunk.kv(dk))
    return dq.index_select(0, plan.scatter_q).view(d_out.shape), _packed_keys(dk, plan), _packed_keys(dv, plan)


def _multiply(a: Tensor, b: Tensor, out: Tensor) -> None:
    """The batched product of two tensors of one dtype, into one that may have another."""
    if a.dtype == out.dtype:
        torch.bmm(a, b, out=out)
    else:
        out.copy_(torch.bmm(a, b))


def _packed_keys(padded: Tensor, plan: AttentionPlan) -> Tensor:
    """[T, kv heads, D]: a token's gradient in its own row, and in all that go on from there, in one fixed order."""
    packed = padded.index_select(0, plan.scatter_kv).view(-1, plan.kv_heads, padded.shape[-1])
    for prefix in plan.shared:
        again = padded.index_select(0, prefix.places.reshape(-1)).view(*prefix.places.shape, -1).sum(0)
        own = packed[prefix.tokens]
        own.add_(again.view(own.shape))
    return packed


@dataclass(frozen=True)
class _Chunk:
    """Some rows of a bucket: few enough that their scores fit `MAX_SCORES`."""

    first: int
    rows: int
    bucket: Bucket
    heads: int
    kv_heads: int

    @property
    def mask(self) -> Tensor:
        mask = self.bucket.mask
        return mask if mask.shape[0] == 1 else mask[self.first : self.first + self.rows]

    @property
    def batch(self) -> slice:
        """Its share of the bucket's [rows * kv heads]."""
        return slice(self.first * self.kv_heads, (self.first + self.rows) * self.kv_heads)

    def q(self, padded: Tensor) -> Tensor:
        """[rows * kv heads, heads per group * queries, D] of a padded query-shaped tensor."""
        start, length = self.bucket.start, self.bucket.queries
        piece = padded.narrow(0, (start + self.first * length) * self.heads, self.rows * length * self.heads)
        return piece.view(self.rows * self.kv_heads, -1, padded.shape[-1])

    def kv(self, padded: Tensor) -> Tensor:
        """[rows * kv heads, keys, D] of a padded key-shaped tensor."""
        start, length = self.bucket.keys_start, self.bucket.keys
        piece = padded.narrow(0, (start + self.first * length) * self.kv_heads, self.rows * length * self.kv_heads)
        return piece.view(self.rows * self.kv_heads, length, padded.shape[-1])


def _chunks(bucket: Bucket, plan: AttentionPlan) -> Iterator[_Chunk]:
    at_once = max(1, MAX_SCORES // (plan.heads * bucket.queries * bucket.keys))
    for first in range(0, bucket.rows, at_once):
        yield _Chunk(first, min(at_once, bucket.rows - first), bucket, plan.heads, plan.kv_heads)


def _probabilities(q: Tensor, k: Tensor, mask: Tensor, plan: AttentionPlan) -> Tensor:
    scores = torch.bmm(q, k.transpose(1, 2)).mul_(q.shape[-1] ** -0.5)
    by_row = scores.view(-1, plan.heads, *mask.shape[-2:])
    by_row.add_(mask)
    return torch.softmax(scores, -1)


def _mask(length: int, before: int, keys: Tensor | None) -> Tensor:
    """0 where position i may see its row's j <= i and the prefix, -inf elsewhere; with `keys` [rows] only j < keys."""
    mask = torch.full((1, 1, length, before + length), -math.inf).triu(before + 1)
    if keys is None:
        return mask
    unseen = torch.arange(-before, length) >= keys[:, None]
    return mask.masked_fill(unseen[:, None, None, :], -math.inf)
