"""Writes both networks as ONNX graphs in the folders that the runner looks in, and compares them with torch.

    python -m faces.export build/faces ../../examples/demo-gallery/faces
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from export import OPSET, without_notes
from faces.evaluate import load, load_detector
from faces.networks import CROP, STRIDES, Recogniser


def export_graph(network, example, outputs, axes, others, file):
    """`others`: pictures of other sizes that the file must answer like the network, besides the example."""
    program = torch.onnx.export(
        network, (example,), input_names=["input"], output_names=outputs, dynamic_shapes=({**axes},), opset_version=OPSET, dynamo=True
    )
    proto = without_notes(program.model_proto)
    onnx.checker.check_model(proto, full_check=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(proto, file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    worst = 0.0
    for pictures in (example, *others):
        with torch.no_grad():
            expected = network(pictures)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for one, other in zip(expected, session.run(None, {"input": pictures.numpy()}), strict=True):
            assert one.shape == other.shape, f"{file}: {other.shape} instead of {tuple(one.shape)}"
            worst = max(worst, float(np.abs(one.numpy() - other).max() / max(1, one.abs().max())))
    assert worst < 0.001, f"{file} answers other than the network, by {worst:.4f}"
    print(f"{file}: {file.stat().st_size:,} bytes, at most {worst:.1e} from the network")


def export(build, out):
    torch.manual_seed(0)
    batch = torch.export.Dim("batch", max=1024)
    axes = {0: batch, 2: 32 * torch.export.Dim("rows", min=1, max=64), 3: 32 * torch.export.Dim("columns", min=1, max=64)}
    names = [f"{part}_{stride}" for part in ("score", "bbox", "kps") for stride in STRIDES]
    pictures = torch.rand(2, 3, 320, 256) * 2 - 1
    export_graph(
        load_detector(build), pictures, names, axes, (pictures[:1], torch.rand(3, 3, 640, 640) * 2 - 1), out / "detection" / "model.onnx"
    )
    faces = torch.rand(3, 3, CROP, CROP) * 2 - 1
    export_graph(load(Recogniser(), build, "recogniser"), faces, ["embedding"], {0: batch}, (faces[:1],), out / "recognition" / "model.onnx")


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
