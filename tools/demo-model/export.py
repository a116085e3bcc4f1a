"""Writes the trained model as the runner and transformers.js read it: configs, tokenizer, and two ONNX graphs.

    python export.py build ../../examples/demo-gallery/model

Weights are kept in half precision, and made float32 as the graphs are loaded: inputs and outputs are float32.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from evaluate import load
from model import MEAN, STD
from pictures import SIDE
from vocabulary import tokenizer_config

OPSET = 18


class Vision(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.tower, self.projection = model.vision_model, model.visual_projection

    def forward(self, pixel_values):
        return self.projection(self.tower(pixel_values=pixel_values).pooler_output)


class Text(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.tower, self.projection = model.text_model, model.text_projection

    def forward(self, input_ids):
        return self.projection(self.tower(input_ids=input_ids).pooler_output)


def export_graph(module, example, names, axes, file):
    """Writes one tower, and checks that the file gives what the tower gives, at another size of batch and sequence."""
    module.eval()
    shapes = {names[0]: {place: torch.export.Dim(axis, max=4096) for place, axis in axes.items()}}
    program = torch.onnx.export(
        module, (example,), input_names=[names[0]], output_names=[names[1]], dynamic_shapes=shapes, opset_version=OPSET, dynamo=True
    )
    proto = without_notes(halve(program.model_proto))
    onnx.checker.check_model(proto, full_check=True)
    onnx.save(proto, file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for batch in (example, example[:1], example[:, :5] if len(axes) > 1 else example[:2]):
        with torch.no_grad():
            expected = module(batch).numpy()
        (got,) = session.run(None, {names[0]: batch.numpy()})
        cosines = (expected * got).sum(1) / np.linalg.norm(expected, axis=1) / np.linalg.norm(got, axis=1)
        assert cosines.min() > 0.9999, f"{file} gives other embeddings than the model: cosine {cosines.min()}"
    print(f"{file}: {Path(file).stat().st_size:,} bytes")


def halve(proto):
    """Stores large float32 weights as float16 with a Cast behind each."""
    casts = []
    for weight in proto.graph.initializer:
        if weight.data_type != TensorProto.FLOAT or np.prod(weight.dims) < 1024:
            continue
        name, values = weight.name, numpy_helper.to_array(weight)
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    del proto.graph.value_info[:]
    return proto


def without_notes(proto):
    """Takes out what the exporter notes about its own source."""
    del proto.metadata_props[:]
    graph = proto.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    return proto


def preprocessor_config():
    return {
        "image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": SIDE},
        "resample": 3, "do_center_crop": True, "crop_size": {"height": SIDE, "width": SIDE}, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": list(MEAN), "image_std": list(STD),
    }


def export(build, out):
    model, tokenizer = load(build)
    model.eval()
    (out / "onnx").mkdir(parents=True, exist_ok=True)
    config = {"architectures": ["CLIPModel"], **model.config.to_diff_dict()}
    for name, value in (
        ("config.json", config), ("preprocessor_config.json", preprocessor_config()), ("tokenizer_config.json", tokenizer_config())
    ):
        (out / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    tokenizer.save(str(out / "tokenizer.json"))
    torch.manual_seed(0)
    pixels = torch.randn(3, 3, SIDE, SIDE)
    export_graph(Vision(model), pixels, ("pixel_values", "image_embeds"), {0: "batch_size"}, str(out / "onnx" / "vision_model.onnx"))
    end = tokenizer.get_vocab_size() - 1
    ids = torch.randint(0, end, (3, 12))
    ids[:, 4:] = end
    axes = {0: "batch_size", 1: "sequence_length"}
    export_graph(Text(model), ids, ("input_ids", "text_embeds"), axes, str(out / "onnx" / "text_model.onnx"))


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(sys.argv[2]))
