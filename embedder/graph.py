"""all-MiniLM-L6-v2 as an ONNX graph of onnxruntime's fused operators, written from its weights.

The int8 graph scales every token's activations by that token's own largest value. onnxruntime's
`quantize_dynamic` takes one scale for a whole batch: a text's vector then depends on the texts
it happens to be batched with (cosine to itself down to 0.95). Scaled by token, it does not, the
cosine to fp32 is higher (0.997 instead of 0.992 on average), and a short text costs 5 % more.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from embedder.limits import EMBEDDING_DIM

LAYERS = 6
HEADS = 12
EPSILON = 1e-12
FUSED = "com.microsoft"
INT8_MAX = 127

Floats = npt.NDArray[np.float32]
Weights = Mapping[str, Floats]


class Graph:
    """Nodes and constants under construction; every method returns the name of its output."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, name: str, array: npt.NDArray[Any]) -> str:
        """Add a tensor of the model."""
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(
        self, operator: str, inputs: list[str], name: str, domain: str = "", **options: Any
    ) -> str:
        """Add an operator with one output, called `name`."""
        made = helper.make_node(operator, inputs, [name], name=name, domain=domain, **options)
        self._nodes.append(made)
        return name

    def split(self, value: str, names: list[str]) -> list[str]:
        """Cut the last axis in equal parts."""
        made = helper.make_node("Split", [value], names, axis=-1, num_outputs=len(names))
        self._nodes.append(made)
        return names

    def serialise(self) -> bytes:
        """Return the finished model file."""
        value = helper.make_tensor_value_info
        inputs = [value(name, TensorProto.INT32, ["batch", "length"]) for name in ("ids", "mask")]
        output = value("embedding", TensorProto.FLOAT, ["batch", EMBEDDING_DIM])
        graph = helper.make_graph(self._nodes, "minilm", inputs, [output], self._constants)
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(FUSED, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


class Float:
    """Matrix products and word vectors in fp32: the reference that int8 is checked against."""

    def prepare(self, _graph: Graph) -> None:
        """Add nothing: fp32 needs no shared constants."""

    def linear(self, graph: Graph, value: str, weight: Floats, name: str) -> str:
        """Multiply by `weight` (inputs, outputs)."""
        return graph.node("MatMul", [value, graph.constant(f"{name}_weight", weight)], name)

    def words(self, graph: Graph, table: Floats) -> str:
        """Look up one vector per word piece."""
        return graph.node("Gather", [graph.constant("word_table", table), "ids"], "words")


class Int8:
    """The same in int8: weights scaled by column, activations by token, word vectors by word."""

    def prepare(self, graph: Graph) -> None:
        """Add the constants that every product shares."""
        graph.constant("last_axis", np.array([-1], np.int64))
        graph.constant("one", np.array(1, np.float32))
        graph.constant("int8_max", np.array(INT8_MAX, np.float32))
        # Unsigned with a zero point: onnxruntime has no fast kernel for signed activations.
        graph.constant("zero_point", np.array(128, np.uint8))

    def linear(self, graph: Graph, value: str, weight: Floats, name: str) -> str:
        """Multiply by `weight` (inputs, outputs), each token rounded on its own scale."""
        rounded, scale = _rounded(weight, axis=0)
        size = graph.node("Abs", [value], f"{name}_size")
        peak = graph.node("ReduceMax", [size, "last_axis"], f"{name}_peak", keepdims=1)
        step = graph.node("Div", [peak, "int8_max"], f"{name}_step")
        steps = graph.node("Div", [value, step], f"{name}_steps")
        tokens = graph.node("QuantizeLinear", [steps, "one", "zero_point"], f"{name}_tokens")
        matrix = graph.constant(f"{name}_weight", rounded)
        scales = graph.constant(f"{name}_scale", scale.reshape(-1))
        product = graph.node(
            "MatMulIntegerToFloat",
            [tokens, matrix, "one", scales, "zero_point"],
            f"{name}_product",
            FUSED,
        )
        return graph.node("Mul", [product, step], name)

    def words(self, graph: Graph, table: Floats) -> str:
        """Look up one int8 vector per word piece and its scale."""
        rounded, scale = _rounded(table, axis=1)
        found = graph.node("Gather", [graph.constant("word_table", rounded), "ids"], "found")
        floats = graph.node("Cast", [found], "found_floats", to=TensorProto.FLOAT)
        scales = graph.node("Gather", [graph.constant("word_scale", scale), "ids"], "found_scale")
        return graph.node("Mul", [floats, scales], "words")


def build_graph(weights: Weights, precision: Float | Int8) -> bytes:
    """Write the whole encoder as an ONNX file.

    Inputs `ids` and `mask`, int32 (batch, length); output `embedding`, float32 (batch, 384), unit
    length: the mean of the last layer over the tokens that `mask` keeps.
    """
    graph = Graph()
    precision.prepare(graph)
    hidden = _embed_words(graph, weights, precision)
    for layer in range(LAYERS):
        hidden = _attend(graph, weights, precision, layer, hidden)
        hidden = _feed_forward(graph, weights, precision, layer, hidden)
    _pool(graph, hidden)
    return graph.serialise()


def _embed_words(graph: Graph, weights: Weights, precision: Float | Int8) -> str:
    words = precision.words(graph, weights["embeddings.word_embeddings.weight"])
    # The token type is always 0: its vector is folded into the positions.
    positions = weights["embeddings.position_embeddings.weight"]
    positions = positions + weights["embeddings.token_type_embeddings.weight"][0]
    table = graph.constant("position_table", positions)
    start = graph.constant("start", np.array([0], np.int64))
    length = graph.node("Shape", ["ids"], "length", start=1, end=2)
    used = graph.node("Slice", [table, start, length, start], "positions")
    total = graph.node("Add", [words, used], "embedded")
    gain = graph.constant("embedded_gain", weights["embeddings.LayerNorm.weight"])
    bias = graph.constant("embedded_bias", weights["embeddings.LayerNorm.bias"])
    inputs = [total, gain, bias]
    return graph.node("LayerNormalization", inputs, "hidden", axis=-1, epsilon=EPSILON)


def _attend(
    graph: Graph, weights: Weights, precision: Float | Int8, layer: int, hidden: str
) -> str:
    of = f"encoder.layer.{layer}.attention"
    parts = [f"{of}.self.{part}" for part in ("query", "key", "value")]
    matrix = np.concatenate([weights[f"{part}.weight"].T for part in parts], axis=1)
    bias = np.concatenate([weights[f"{part}.bias"] for part in parts])
    joined = precision.linear(graph, hidden, matrix, f"qkv{layer}")
    inputs = graph.split(joined, [f"query{layer}", f"key{layer}", f"value{layer}"])
    inputs += [graph.constant(f"qkv{layer}_bias", bias), "mask"]
    name = f"attention{layer}"
    attended = graph.node("MultiHeadAttention", inputs, name, FUSED, num_heads=HEADS)
    mixed = precision.linear(
        graph, attended, weights[f"{of}.output.dense.weight"].T, f"mixed{layer}"
    )
    return _add_and_normalise(graph, weights, f"{of}.output", mixed, hidden)


def _feed_forward(
    graph: Graph, weights: Weights, precision: Float | Int8, layer: int, hidden: str
) -> str:
    of = f"encoder.layer.{layer}"
    up = precision.linear(graph, hidden, weights[f"{of}.intermediate.dense.weight"].T, f"up{layer}")
    bias = graph.constant(f"up{layer}_bias", weights[f"{of}.intermediate.dense.bias"])
    active = graph.node("BiasGelu", [up, bias], f"active{layer}", FUSED)
    down = precision.linear(graph, active, weights[f"{of}.output.dense.weight"].T, f"down{layer}")
    return _add_and_normalise(graph, weights, f"{of}.output", down, hidden)


def _add_and_normalise(graph: Graph, weights: Weights, of: str, value: str, skip: str) -> str:
    gain = graph.constant(f"{value}_gain", weights[f"{of}.LayerNorm.weight"])
    shift = graph.constant(f"{value}_shift", weights[f"{of}.LayerNorm.bias"])
    bias = graph.constant(f"{value}_bias", weights[f"{of}.dense.bias"])
    inputs = [value, skip, gain, shift, bias]
    name = f"{value}_normalised"
    return graph.node("SkipLayerNormalization", inputs, name, FUSED, epsilon=EPSILON)


def _pool(graph: Graph, hidden: str) -> None:
    tokens = graph.constant("token_axis", np.array([1], np.int64))
    channel = graph.constant("channel_axis", np.array([2], np.int64))
    mask = graph.node("Cast", ["mask"], "mask_floats", to=TensorProto.FLOAT)
    kept = graph.node("Mul", [hidden, graph.node("Unsqueeze", [mask, channel], "keep")], "kept")
    # The sum points where the mean points, and only the direction is kept.
    total = graph.node("ReduceSum", [kept, tokens], "total", keepdims=0)
    graph.node("LpNormalization", [total], "embedding", axis=1, p=2)


def _rounded(weight: Floats, axis: int) -> tuple[npt.NDArray[np.int8], Floats]:
    scale = np.abs(weight).max(axis=axis, keepdims=True) / np.float32(INT8_MAX)
    return np.rint(weight / scale).astype(np.int8), scale.astype(np.float32)
