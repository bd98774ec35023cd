"""BERT-base and MiniLM-L6: encoders with embeddings and pooler, as the published checkpoints hold them.

Devlin et al. 2018 (arXiv:1810.04805) and the config.json of google-bert/bert-base-uncased and of
sentence-transformers/all-MiniLM-L6-v2; the names are those of the checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from integrator.topologies.blocks import Layers
from protocol.engine import openvino as ov

__all__ = ["POSITIONS", "TOKENS", "TOKEN_TYPES", "VOCABULARY", "bert_base", "minilm_l6"]

VOCABULARY = 30522
POSITIONS = 512
TOKEN_TYPES = 2
TOKENS = 128
"""The length of the sequences that the models take."""

_EPSILON = 1e-12

# Attention averages tokens, so what it adds makes them more alike. With a gain of 1, those of the last layers
# would hardly differ, and every attention would be uniform.
_ATTENTION_GAIN = 0.1


@dataclass(frozen=True, slots=True)
class _Size:
    layers: int
    hidden: int
    heads: int
    intermediate: int


def bert_base() -> ov.Model:
    """BERT-base, uncased.

    `input_ids`, `attention_mask`, `token_type_ids` i64 [1, 128] to `last_hidden_state` f32 [1, 128, 768] and
    `pooler_output` f32 [1, 768].
    """
    return _encoder("bert-base", _Size(layers=12, hidden=768, heads=12, intermediate=3072))


def minilm_l6() -> ov.Model:
    """all-MiniLM-L6-v2, without the averaging of tokens that sentence-transformers does after the network.

    `input_ids`, `attention_mask`, `token_type_ids` i64 [1, 128] to `last_hidden_state` f32 [1, 128, 384] and
    `pooler_output` f32 [1, 384].
    """
    return _encoder("minilm-l6", _Size(layers=6, hidden=384, heads=12, intermediate=1536))


def _encoder(name: str, size: _Size) -> ov.Model:
    net = Layers(name)
    ids, mask, types = (
        net.input(tensor, (1, TOKENS), "i64") for tensor in ("input_ids", "attention_mask", "token_type_ids")
    )
    x = _embeddings(net, ids, types, size.hidden)
    bias = net.mask_bias(mask, "attention_mask_bias")
    for layer in range(size.layers):
        x = _layer(net, x, bias, f"encoder.layer.{layer}", size)
    pooled = net.linear(net.pick(x, "pooler.first_token", 0, 1), "pooler.dense", size.hidden)
    pooled = net.tanh(pooled, "pooler.activation")
    return net.model({"last_hidden_state": x, "pooler_output": pooled})


def _embeddings(net: Layers, ids: ov.Output, types: ov.Output, hidden: int) -> ov.Output:
    name = "embeddings"
    positions = net.constant(f"{name}.position_ids", np.arange(TOKENS, dtype=np.int64)[np.newaxis])
    words = net.embedding(ids, f"{name}.word_embeddings", VOCABULARY, hidden)
    kinds = net.embedding(types, f"{name}.token_type_embeddings", TOKEN_TYPES, hidden)
    places = net.embedding(positions, f"{name}.position_embeddings", POSITIONS, hidden)
    x = net.add(words, kinds, f"{name}.add_token_type")
    x = net.add(x, places, f"{name}.add_position")
    return net.layer_norm(x, f"{name}.LayerNorm", epsilon=_EPSILON)


def _layer(net: Layers, x: ov.Output, bias: ov.Output, name: str, size: _Size) -> ov.Output:
    y = _self_attention(net, x, bias, f"{name}.attention.self", size)
    y = net.linear(y, f"{name}.attention.output.dense", size.hidden, gain=_ATTENTION_GAIN)
    y = net.add(y, x, f"{name}.attention.output.add")
    x = net.layer_norm(y, f"{name}.attention.output.LayerNorm", epsilon=_EPSILON)
    y = net.linear(x, f"{name}.intermediate.dense", size.intermediate)
    y = net.gelu(y, f"{name}.intermediate.gelu")
    # A gain of 2, because GELU takes away more than half of the mean square.
    y = net.linear(y, f"{name}.output.dense", size.hidden, gain=2.0)
    y = net.add(y, x, f"{name}.output.add")
    return net.layer_norm(y, f"{name}.output.LayerNorm", epsilon=_EPSILON)


def _self_attention(net: Layers, x: ov.Output, bias: ov.Output, name: str, size: _Size) -> ov.Output:
    width = size.hidden // size.heads
    query, key, value = (_heads(net, x, f"{name}.{part}", size) for part in ("query", "key", "value"))
    scores = net.matmul(query, key, f"{name}.scores", transpose_b=True)
    scores = net.scale(scores, width**-0.5, f"{name}.scaled_scores")
    scores = net.add(scores, bias, f"{name}.masked_scores")
    context = net.matmul(net.softmax(scores, f"{name}.probabilities"), value, f"{name}.context")
    context = net.transpose(context, f"{name}.context.transpose", [0, 2, 1, 3])
    return net.reshape(context, f"{name}.context.reshape", [0, 0, size.hidden])


def _heads(net: Layers, x: ov.Output, name: str, size: _Size) -> ov.Output:
    y = net.linear(x, name, size.hidden)
    y = net.reshape(y, f"{name}.reshape", [0, 0, size.heads, size.hidden // size.heads])
    return net.transpose(y, f"{name}.transpose", [0, 2, 1, 3])
