"""Makes the face models of the tests: graphs without any training, in the layouts of real ones.

A "face" is a red square on the detector's grid of 32 pixels, so what must be found is plain from the picture. A vector
is what a coarse grid of the aligned crop looks like. A pure blue square at the top left makes the detector answer NaN,
a face without any green makes the recogniser answer NaN.

    python tools/face-fixtures.py
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "models"
STRIDES = (8, 16, 32)
# Eyes, nose and corners of the mouth of a face, as parts of its square.
POINTS = ((0.34, 0.46), (0.66, 0.46), (0.5, 0.64), (0.37, 0.82), (0.63, 0.82))


class Graph:
    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, op, *inputs, output=None, name="", **attributes):
        self.count += 1
        output = output or f"v{self.count}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=name, **attributes))
        return output

    def save(self, path, inputs, outputs):
        graph = helper.make_graph(self.nodes, "face-fixture", inputs, outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="clip-runner")
        model.ir_version = 8
        onnx.checker.check_model(model)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)


def tensor(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def plane(graph, pixels, channel):
    """One colour of [N,3,h,w] as [N,1,h,w]."""
    index = lambda value: graph.constant([value], np.int64)
    return graph.add("Slice", pixels, index(channel), index(channel + 1), index(1))


def score(graph, pixels):
    """About 1 in cells that are red through and through, else about 0; all NaN where the first cell is blue."""
    red, green, blue = (plane(graph, pixels, channel) for channel in range(3))
    half = graph.constant(0.5)
    others = graph.add("Mul", graph.add("Add", green, blue), half)
    redness = graph.add("Sub", graph.add("Sub", red, others), graph.constant(1.2))
    marked = graph.add("Sigmoid", graph.add("Mul", redness, graph.constant(20)))
    first = lambda value: graph.add(
        "Slice", value, graph.constant([0, 0], np.int64), graph.constant([1, 1], np.int64), graph.constant([2, 3], np.int64)
    )
    blueness = graph.add("Sub", first(blue), first(red))
    mine = graph.add("Sqrt", graph.add("Sub", graph.constant(1.9), blueness))
    return graph.add("Add", marked, graph.add("Mul", mine, graph.constant(0)))


def rows(graph, value, width, batched):
    """[N,anchors*width,h,w] to [N,K,width], or to [K,width]."""
    last = graph.add("Transpose", value, perm=[0, 2, 3, 1])
    shape = [0, -1, width] if batched else [-1, width]
    return graph.add("Reshape", last, graph.constant(shape, np.int64))


def spread(graph, like, values):
    """[N,1,h,w] to the same numbers in every cell, [N,len(values),h,w]."""
    zero = graph.add("Mul", like, graph.constant(0))
    # NaN times 0 is NaN: only the scores are to tell it.
    clean = graph.add("Where", graph.add("IsNaN", zero), graph.constant(0), zero)
    return graph.add("Add", clean, graph.constant(np.reshape(values, (1, -1, 1, 1))))


def scrfd(path, batched):
    graph = Graph()
    parts = {"score": [], "bbox": [], "kps": []}
    for stride in STRIDES:
        pixels = graph.add("AveragePool", "input.1", kernel_shape=[stride, stride], strides=[stride, stride])
        found = score(graph, pixels)
        # Only the coarsest grid finds anything, and of its two anchors the second is below any threshold.
        weights = [1, 0.3] if stride == 32 else [0, 0]
        both = graph.add("Mul", found, graph.constant(np.reshape(weights, (1, 2, 1, 1))))
        parts["score"].append(rows(graph, both, 1, batched))
        parts["bbox"].append(rows(graph, spread(graph, found, [0, 0, 1, 1] * 2), 4, batched))
        parts["kps"].append(rows(graph, spread(graph, found, np.ravel(POINTS).tolist() * 2), 10, batched))
    outputs = []
    for part, width in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride, value in zip(STRIDES, parts[part]):
            # Numbers for names, as insightface's own exports have.
            name = str(400 + len(outputs))
            graph.add("Identity", value, output=name)
            outputs.append(tensor(name, ["N", f"K{stride}", width] if batched else [f"K{stride}", width]))
    size = ["N", 3, 640, 640] if batched else [1, 3, "H", "W"]
    graph.save(path, [tensor("input.1", size)], outputs)


def arcface(path):
    graph = Graph()
    pooled = graph.add("AveragePool", "input.1", kernel_shape=[16, 16], strides=[16, 16])
    index = lambda value: graph.constant(value, np.int64)
    green = graph.add("Slice", pooled, index([1, 3, 3]), index([2, 4, 4]), index([1, 2, 3]))
    mine = graph.add("Sqrt", graph.add("Add", green, graph.constant(0.98)))
    flat = graph.add("Flatten", graph.add("Add", pooled, graph.add("Mul", mine, graph.constant(0))))
    graph.add("Pad", flat, graph.constant([0, 0, 0, 512 - 147], np.int64), output="683")
    graph.save(path, [tensor("input.1", ["None", 3, 112, 112])], [tensor("683", ["None", 512])])


def yunet(path):
    graph = Graph()
    centred = graph.add("Div", graph.add("Sub", "input", graph.constant(127.5)), graph.constant(128))
    # Blue comes first here.
    rgb = graph.add("Gather", centred, graph.constant([2, 1, 0], np.int64), axis=1)
    names = ("cls", "obj", "bbox", "kps")
    parts = {name: [] for name in names}
    for stride in STRIDES:
        pixels = graph.add("AveragePool", rgb, kernel_shape=[stride, stride], strides=[stride, stride])
        found = score(graph, pixels)
        weight = 1 if stride == 32 else 0
        parts["cls"].append(rows(graph, graph.add("Mul", found, graph.constant(weight)), 1, True))
        # The geometric mean of 1 and 0.81 is 0.9.
        parts["obj"].append(rows(graph, spread(graph, found, [0.81]), 1, True))
        # A square of one stride around the cell's middle.
        parts["bbox"].append(rows(graph, spread(graph, found, [0.5, 0.5, 0, 0]), 4, True))
        parts["kps"].append(rows(graph, spread(graph, found, np.ravel(POINTS).tolist()), 10, True))
    outputs = []
    for name, width in zip(names, (1, 1, 4, 10)):
        for stride, value in zip(STRIDES, parts[name]):
            graph.add("Identity", value, output=f"{name}_{stride}")
            outputs.append(tensor(f"{name}_{stride}", [1, (640 // stride) ** 2, width]))
    graph.save(path, [tensor("input", [1, 3, 640, 640])], outputs)


def sface(path):
    graph = Graph()
    less = graph.add("Sub", "data", graph.constant(127.5), name="_minusscalar0")
    centred = graph.add("Mul", less, graph.constant(0.0078125), name="_mulscalar0")
    pooled = graph.add("AveragePool", centred, kernel_shape=[16, 16], strides=[16, 16])
    flat = graph.add("Flatten", pooled)
    index = lambda value: graph.constant(value, np.int64)
    graph.add("Slice", flat, index([0]), index([128]), index([1]), output="fc1")
    graph.save(path, [tensor("data", [1, 3, 112, 112])], [tensor("fc1", [1, 128])])


scrfd(FOLDER / "face-marker" / "detection" / "model.onnx", batched=False)
arcface(FOLDER / "face-marker" / "recognition" / "model.onnx")
scrfd(FOLDER / "face-marker-batched" / "det_500m.onnx", batched=True)
arcface(FOLDER / "face-marker-batched" / "w600k_mbf.onnx")
yunet(FOLDER / "face-marker-opencv" / "face_detection_yunet_2023mar.onnx")
sface(FOLDER / "face-marker-opencv" / "face_recognition_sface_2021dec.onnx")
