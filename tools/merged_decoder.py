"""Graphs in the layout of Optimum: exported with free axes, and a decoder whose branches with and without a cache are one."""

from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper
from torch import nn


def export(module: nn.Module, feeds: dict, outputs: list[str], axes: dict[str, dict[int, str]], file: Path) -> onnx.ModelProto:
    shapes = {
        name: {part: dict.fromkeys(axes[part], torch.export.Dim.DYNAMIC) for part in value}
        if isinstance(value, dict)
        else dict.fromkeys(axes[name], torch.export.Dim.DYNAMIC)
        for name, value in feeds.items()
    }
    with torch.no_grad():
        program = torch.onnx.export(
            module.eval(), kwargs=feeds, input_names=list(axes), output_names=outputs, dynamic_shapes=shapes, opset_version=18, dynamo=True, verbose=False
        )
    program.save(file)
    graph = onnx.load(file)
    for value in graph.graph.input:
        for axis, name in axes[value.name].items():
            value.type.tensor_type.shape.dim[axis].dim_param = name
    for part in (*graph.graph.node, *graph.graph.initializer, *graph.graph.value_info):
        part.doc_string = ""
        del part.metadata_props[:]
    return graph


def merge(without: onnx.ModelProto, with_past: onnx.ModelProto) -> onnx.ModelProto:
    """One graph that takes a cache always, and heeds it where `use_cache_branch` says so. Weights stand in it once."""
    shared = {weights.name: weights for weights in without.graph.initializer}
    branches = []
    for prefix, model in (("first", without), ("next", with_past)):
        graph = model.graph
        kept = {value.name for value in graph.input} | {
            weights.name for weights in graph.initializer if shared.get(weights.name, weights).raw_data == weights.raw_data
        }
        shared |= {weights.name: weights for weights in graph.initializer if weights.name in kept}
        rename = lambda name: name if name in kept or name == "" else f"{prefix}/{name}"
        for node in graph.node:
            node.name = rename(node.name)
            node.input[:] = [rename(name) for name in node.input]
            node.output[:] = [rename(name) for name in node.output]
        for weights in graph.initializer:
            weights.name = rename(weights.name)
        own = [weights for weights in graph.initializer if weights.name not in shared]
        results = [helper.make_empty_tensor_value_info(rename(value.name)) for value in graph.output]
        branches.append(helper.make_graph(graph.node, prefix, [], results, own))
    switch = helper.make_tensor_value_info("use_cache_branch", TensorProto.BOOL, [1])
    names = [value.name for value in with_past.graph.output]
    node = helper.make_node("If", ["use_cache_branch"], names, then_branch=branches[1], else_branch=branches[0])
    graph = helper.make_graph([node], "merged", [*with_past.graph.input, switch], with_past.graph.output, list(shared.values()))
    merged = helper.make_model(graph, opset_imports=with_past.opset_import, ir_version=with_past.ir_version)
    onnx.checker.check_model(merged)
    return merged
