"""ONNX both ways: run and differentiate models from other frameworks, and write ours for other runtimes.

    prepare(model, device="CPU", backend="numba", clip_cell=False).run(inputs)     ONNX's own Backend interface:
    run_model, run_node, supports_device, is_compatible                            see onnx.backend.base
    from_onnx(model) -> graph, params         gradients by graph.forward, graph.backward; graph.layers()
    to_onnx(model, params) -> ModelProto      free batch and time axes, states and lengths in, states out

The operators RNN, LSTM and GRU are honoured with every attribute, in every version from opset 1 to the newest. What is
not supported is an error that names node and attribute; nothing is ignored. Numbers are float32 and float64: float16
and bfloat16 are refused, as is a graph in training mode.

Where the text of the specification leaves room, or ONNX Runtime 1.32 does otherwise:

* **clip and h(C)**. "applied to the input of activations" would bound what h gets of the cell; the runtime does not.
  Nor do we; `clip_cell=True` does. A clip of 0 holds everything at 0; a negative one is refused.
* **Numbers left out.** LeakyRelu 0.01, ThresholdedRelu 1, HardSigmoid 0.2 and 0.5, Elu 1 are the defaults of the
  operators of these names; Affine 1 and 0, ScaledTanh 1 and 1. The runtime takes 0 for ThresholdedRelu, Affine and
  ScaledTanh: write the numbers into the node, and all agree.
* **ThresholdedRelu at its threshold** is x ("x if x >= alpha"); the runtime has 0 there.
* **Softplus of a large number** is that number; in the runtime exp overflows beyond 88, and what follows is NaN.
* **More numbers than activations take** are an error here; the runtime ignores them.
* **layout=1, float64, a missing hidden_size** are in the specification; the runtime has none of them. Its RNN takes
  Relu, Tanh and Sigmoid only.
* **A sequence of length zero** gives zeros in Y, Y_h and Y_c, whatever the initial state, as in the runtime.
* **sequence_lens** may be int32, as the specification says, or int64.
* **input_forget=1** is f = 1 - i: the blocks f of W, R, B and P are not used, and their gradient is zero.
* **Squeeze with an empty list of axes** takes none away where the list is an input (opset 13), all where it is an
  attribute; the runtime takes all.
* **Softmax before opset 13** sums over all axes from `axis` on; an axis beyond the last is refused.
* At a corner (of Relu, of the clip ...) the derivative is the one that `rnncore.layers.onnx_activations` states.
"""

from rnncore.interop.onnx.backend import RnncoreBackend, RnncoreRep, from_onnx, prepare, run_node
from rnncore.interop.onnx.graph import Graph
from rnncore.interop.onnx.writer import to_onnx

run_model = RnncoreBackend.run_model
supports_device = RnncoreBackend.supports_device
is_compatible = RnncoreBackend.is_compatible

__all__ = [
    "Graph",
    "RnncoreBackend",
    "RnncoreRep",
    "from_onnx",
    "is_compatible",
    "prepare",
    "run_model",
    "run_node",
    "supports_device",
    "to_onnx",
]
