"""What costs and parameter counts need to know of an LLM and of a vision tower, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LLMShape:
    """A decoder-only LLM. Widths in units, counts in numbers; `gated`: a gated feed-forward has 3 matrices, not 2.

    experts: of a mixture, `experts_active` of which each token meets, `feed_forward` wide each; `shared`: width of
    the expert that every token meets; `dense_layers`: layers without a mixture, `dense_feed_forward` wide.
    window: attention of `window_layers` layers sees `window` tokens back; None where all see everything.
    layer_norms: norm vectors of one layer; qk_norm: two more, of the head's size. extra_params: biases, the last
    norm's shift and learned positions, all layers together: what is in no matrix and in none of those norms.
    counted: for an architecture whose closed form is not known, (parameters, a, b, c) as counted on the model
    itself: FLOPs(T) = a T^2 + b T + c with one position's head; they take the place of the formulas. routed_params:
    parameters of all routed experts of such a mixture. cross_layers: further layers, which read the visual tokens by
    cross-attention; these then take no place in the sequence. shared_gate: whether the expert that every token meets
    has a gate of its own.
    """

    name: str
    layers: int
    width: int
    heads: int
    kv_heads: int
    head_size: int
    feed_forward: int
    vocab: int
    gated: bool = True
    tied: bool = False
    family: str = ""
    experts: int = 0
    experts_active: int = 0
    shared: int = 0
    dense_layers: int = 0
    dense_feed_forward: int = 0
    window: int | None = None
    window_layers: int = 0
    layer_norms: int = 2
    qk_norm: bool = False
    extra_params: int = 0
    counted: tuple[float, float, float, float] | None = None
    routed_params: int = 0
    cross_layers: int = 0
    shared_gate: bool = True

    @property
    def pair_flops(self) -> float:
        """FLOPs of attention for one query with one key, over all layers, were none windowed."""
        return self.counted[1] if self.counted else 4.0 * self.layers * self.heads * self.head_size

    @property
    def head_flops(self) -> float:
        """FLOPs of the output head at one position."""
        return self.counted[3] if self.counted else 2.0 * self.width * self.vocab

    @property
    def attention_params(self) -> int:
        """Parameters of one layer's four attention matrices."""
        return 2 * self.width * self.head_size * (self.heads + self.kv_heads)

    @property
    def _matrices(self) -> int:
        return (3 if self.gated else 2) * self.width

    @property
    def fixed_params(self) -> int:
        """Parameters of the blocks' matrices that every token meets, mixtures' routed experts left out."""
        if not self.experts:
            layers = self.layers + self.cross_layers
            return layers * (self.attention_params + self._matrices * self.feed_forward)
        shared_gate = self.width if self.shared and self.shared_gate else 0
        mixture = self.width * self.experts + self._matrices * self.shared + shared_gate
        return (
            self.layers * self.attention_params
            + (self.layers - self.dense_layers) * mixture
            + self.dense_layers * self._matrices * self.dense_feed_forward
        )

    @property
    def expert_params(self) -> int:
        """Parameters of all layers' routed experts, one expert a layer (0 without a mixture)."""
        if self.routed_params:
            return self.routed_params // self.experts
        return (self.layers - self.dense_layers) * self._matrices * self.feed_forward if self.experts else 0

    @property
    def block_params(self) -> int:
        """Parameters of the blocks' matrices that one token meets (norms, biases left out), N_blk of the formulas."""
        if self.counted:
            return int(self.counted[2] / 2)
        return self.fixed_params + self.experts_active * self.expert_params - self.cross_key_params

    @property
    def cross_key_params(self) -> int:
        """Parameters of the key and value matrices of cross-attention, which visual tokens meet."""
        return self.cross_layers * 2 * self.width * self.kv_heads * self.head_size

    @property
    def cross_params(self) -> int:
        """Parameters of the cross-attention layers' matrices that a token of the sequence meets."""
        layer = self.attention_params + self._matrices * self.feed_forward
        return self.cross_layers * layer - self.cross_key_params

    @property
    def cross_pair_flops(self) -> float:
        """FLOPs of cross-attention for one token of the sequence with one visual token."""
        return 4.0 * self.cross_layers * self.heads * self.head_size

    @property
    def embedding_params(self) -> int:
        """Parameters of the input embedding, and of the output head where it is not tied."""
        return (1 if self.tied else 2) * self.vocab * self.width

    @property
    def n_params(self) -> int:
        """All parameters: blocks with every expert, norms, biases, learned positions, embeddings."""
        if self.counted:
            return int(self.counted[0])
        norms = (self.layer_norms * self.layers + 1) * self.width
        norms += 2 * self.head_size * self.layers if self.qk_norm else 0
        routed = self.experts * self.expert_params
        return self.fixed_params + routed + norms + self.extra_params + self.embedding_params

    @property
    def active_params(self) -> int:
        """Parameters that one token meets: all but the experts of a mixture that it passes by."""
        return self.n_params - (self.experts - self.experts_active) * self.expert_params


@dataclass(frozen=True)
class TowerShape:
    """A vision transformer. image, patch: pixels on a side; extra_tokens: class and register tokens; norms: layer
    norms beside the blocks' own two; layer_scale: as in DINOv2, which also holds a mask token. projection (CLIP's
    output width) and attention_pool (SigLIP) belong to the head on the pooled output, which no VLM runs.
    counted: (parameters, FLOPs of one image) of an encoder without a closed form, as counted on the model itself.
    """

    name: str
    layers: int
    width: int
    feed_forward: int
    patch: int
    image: int
    extra_tokens: int = 1
    channels: int = 3
    gated: bool = False
    patch_bias: bool = False
    norms: int = 2
    layer_scale: bool = False
    projection: int = 0
    attention_pool: bool = False
    counted: tuple[float, float] | None = None

    @property
    def patches(self) -> int:
        """Patches of one image (or tile)."""
        return (self.image // self.patch) ** 2

    @property
    def block_params(self) -> int:
        """Parameters of the blocks' matrices, biases and norms left out."""
        return self.layers * (4 * self.width**2 + (3 if self.gated else 2) * self.width * self.feed_forward)

    @property
    def n_params(self) -> int:
        """All parameters: patches, positions, blocks with biases, `norms` layer norms beside the blocks' own two."""
        if self.counted:
            return int(self.counted[0])
        first = self.channels * self.patch**2 * self.width + (self.width if self.patch_bias else 0)
        positions = (self.patches + min(self.extra_tokens, 1)) * self.width + self.extra_tokens * self.width
        biases = 4 * self.width + (2 if self.gated else 1) * self.feed_forward + self.width + 4 * self.width
        positions += self.width if self.layer_scale else 0
        biases += 2 * self.width if self.layer_scale else 0
        return first + positions + self.block_params + self.layers * biases + 2 * self.norms * self.width
