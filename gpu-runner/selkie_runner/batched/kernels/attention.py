"""Causal attention inside each row of a packed batch.

Rows of similar length share one batched product. A row is padded to the next size of a fixed ladder, so its rounding
depends on its own length alone. The padding follows the row, where the causal mask hides it. No mask spans two rows, so
a row that is not finite cannot reach another.

A row may continue another row, its prefix, which several rows can share. Its queries see the prefix's keys before its
own, and its part of the gradients of the prefix's keys and values is added to theirs.

Memory is linear in a row's length: the probabilities of rows longer than `RECOMPUTE_ABOVE` are not kept, and those of
a row with more than `MAX_RECOMPUTED_SCORES` are computed for a block of its queries at a time, forward and backward. A
block computes no key that lies behind its last query.

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

#: keys of a row; for longer rows the backward pass computes the probabilities again
RECOMPUTE_ABOVE = 512
#: scores of a bucket that are held at once
MAX_SCORES = 2**25
#: the same for longer rows, few enough that the backward pass takes less memory than the logits do
MAX_RECOMPUTED_SCORES = 2**23
#: queries of a block at least
MIN_BLOCK = 16


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
        key_mask: [rows, 1, 1, keys] added to the scores: -inf for a key that no query sees; None where there is none.
    """

    rows: int
    queries: int
    keys: int
    start: int
    keys_start: int
    key_mask: Tensor | None


@dataclass(frozen=True)
class SharedPrefix:
    """A prefix's packed tokens, and where its keys are in the padded layout for each row that continues it.

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

    `causal` [N, N] is -inf above the diagonal and 0 elsewhere; a block of n queries uses its first n rows and columns.
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
    causal: Tensor


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
        own_keys = torch.tensor([before + rows[i].keys for i in members], device=device) if limited else None
        key_mask = None if own_keys is None else _key_mask(own_keys, keys)
        buckets.append(Bucket(count, size, keys, start, keys_start, key_mask))
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
        causal=_causal(max(_block_queries(bucket, heads) for bucket in buckets), device),
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
        keep = bucket.keys <= RECOMPUTE_ABOVE and _block_queries(bucket, plan.heads) == bucket.queries
        parts: list[Tensor] = []
        for chunk in _chunks(bucket, plan):
            bq, bk, bv = chunk.q(padded_q), chunk.kv(padded_k), chunk.kv(padded_v)
            probabilities = _probabilities(bq, bk, chunk, plan).to(v.dtype)
            _multiply(probabilities, bv, chunk.place_of_q(out))
            if keep:
                parts.append(probabilities)
        kept.append(torch.cat(parts) if len(parts) > 1 else parts[0] if parts else None)
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
            p = _probabilities(bq, bk, chunk, plan) if kept is None else kept[chunk.batch]
            _multiply(p.to(narrow).transpose(1, 2), bo, chunk.kv(dv), add=not chunk.is_last)
            d_scores = torch.bmm(bo, bv.transpose(1, 2)).to(bq.dtype)
            d_scores = torch.ops.aten._softmax_backward_data(d_scores, p.to(bq.dtype), -1, bq.dtype)
            d_scores = d_scores.mul_(head_dim**-0.5).to(narrow)
            _multiply(d_scores, bk.to(narrow), chunk.place_of_q(dq))
            _multiply(d_scores.transpose(1, 2), bq.to(narrow), chunk.kv(dk), add=not chunk.is_last)
    return dq.index_select(0, plan.scatter_q).view(d_out.shape), _packed_keys(dk, plan), _packed_keys(dv, plan)


def _multiply(a: Tensor, b: Tensor, out: Tensor, *, add: bool = False) -> None:
    """The batched product of two tensors of one dtype into `out`, which may have another, or an axis for each head."""
    if a.dtype == out.dtype and out.dim() == a.dim() and not add:
        torch.bmm(a, b, out=out)
        return
    product = torch.bmm(a, b).view(out.shape)
    if add:
        out.add_(product)
    else:
        out.copy_(product)


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
    """Some rows of a bucket with all their queries, or a block of one row's: few enough for the limit on scores."""

    first: int
    rows: int
    first_query: int
    queries: int
    bucket: Bucket
    heads: int
    kv_heads: int

    @property
    def is_last(self) -> bool:
        """Whether it holds its rows' last queries, which see all keys."""
        return self.first_query + self.queries == self.bucket.queries

    @property
    def keys(self) -> int:
        """The number of leading keys that its queries may see."""
        return self.bucket.keys - self.bucket.queries + self.first_query + self.queries

    @property
    def key_mask(self) -> Tensor | None:
        mask = self.bucket.key_mask
        return None if mask is None else mask[self.first : self.first + self.rows, ..., : self.keys]

    @property
    def batch(self) -> slice:
        """Its share of the bucket's [rows * kv heads]."""
        return slice(self.first * self.kv_heads, (self.first + self.rows) * self.kv_heads)

    def place_of_q(self, padded: Tensor) -> Tensor:
        """Its view of a padded query-shaped tensor.

        [rows * kv heads, heads per group * queries, D], in a block [rows * kv heads, heads per group, queries, D].
        """
        start, length = self.bucket.start, self.bucket.queries
        piece = padded.narrow(0, (start + self.first * length) * self.heads, self.rows * length * self.heads)
        if self.queries == length:
            return piece.view(self.rows * self.kv_heads, -1, padded.shape[-1])
        by_head = piece.view(self.rows * self.kv_heads, -1, length, padded.shape[-1])
        return by_head.narrow(2, self.first_query, self.queries)

    def q(self, padded: Tensor) -> Tensor:
        """[rows * kv heads, heads per group * queries, D] of a padded query-shaped tensor."""
        return self.place_of_q(padded).reshape(self.rows * self.kv_heads, -1, padded.shape[-1])

    def kv(self, padded: Tensor) -> Tensor:
        """[rows * kv heads, keys, D] of a padded key-shaped tensor."""
        start, length = self.bucket.keys_start, self.bucket.keys
        piece = padded.narrow(0, (start + self.first * length) * self.kv_heads, self.rows * length * self.kv_heads)
        return piece.view(self.rows * self.kv_heads, length, padded.shape[-1])[:, : self.keys]


def _chunks(bucket: Bucket, plan: AttentionPlan) -> Iterator[_Chunk]:
    """A row's last block comes first: it has a gradient for every key, and the others add theirs."""
    block = _block_queries(bucket, plan.heads)
    at_once = max(1, _score_limit(bucket) // (plan.heads * bucket.queries * bucket.keys))
    for first in range(0, bucket.rows, at_once):
        rows = min(at_once, bucket.rows - first)
        for end in range(bucket.queries, 0, -block):
            start = max(0, end - block)
            yield _Chunk(first, rows, start, end - start, bucket, plan.heads, plan.kv_heads)


def _block_queries(bucket: Bucket, heads: int) -> int:
    """Queries of a row that are computed at once."""
    return min(bucket.queries, max(MIN_BLOCK, _score_limit(bucket) // (heads * bucket.keys)))


def _score_limit(bucket: Bucket) -> int:
    return MAX_SCORES if bucket.keys <= RECOMPUTE_ABOVE else MAX_RECOMPUTED_SCORES


def _probabilities(q: Tensor, k: Tensor, chunk: _Chunk, plan: AttentionPlan) -> Tensor:
    scores = torch.bmm(q, k.transpose(1, 2)).mul_(q.shape[-1] ** -0.5)
    by_row = scores.view(-1, plan.heads, chunk.queries, chunk.keys)
    # the keys before those of the queries themselves are seen by all of them
    own = by_row[..., chunk.keys - chunk.queries :]
    own.add_(plan.causal[: chunk.queries, : chunk.queries])
    if chunk.key_mask is not None:
        by_row.add_(chunk.key_mask)
    return torch.softmax(scores, -1)


def _causal(queries: int, device: torch.device) -> Tensor:
    return torch.full((queries, queries), -math.inf, device=device).triu_(1)


def _key_mask(seen: Tensor, keys: int) -> Tensor:
    """[rows, 1, 1, keys]: 0 for the first `seen` [rows] keys of each row, -inf for the others."""
    unseen = torch.arange(keys, device=seen.device) >= seen[:, None]
    return torch.zeros(unseen.shape, device=seen.device).masked_fill_(unseen, -math.inf)[:, None, None, :]
