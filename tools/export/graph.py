"""From a module to a file: one ONNX graph, with its weights inside or beside it."""

import logging
import warnings
from pathlib import Path

import onnx_ir
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass

from failure import ExportError
from source import first_line
from towers import Tower, flat

OPSET = 18
# Weights beside a graph are mapped when it is loaded; those inside are read and copied, which takes up to twice their memory for
# a while. Small graphs stay in one file. (And a protobuf file holds less than 2 GiB.)
MOST_BYTES_INSIDE = 32_000_000


def trace(tower: Tower) -> onnx_ir.Model:
    """Traces a tower with its last sample. Raises ExportError where torch can't."""
    feeds = tower.samples[-1]
    dynamic = {
        name: {part: _free(tower, part) for part in value} if isinstance(value, dict) else _free(tower, name)
        for name, value in feeds.items()
    }
    for library in ("torch.onnx", "onnxscript"):
        logging.getLogger(library).setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                tower.module,
                kwargs=feeds,
                input_names=list(flat(feeds)),
                output_names=list(tower.outputs),
                dynamic_shapes=dynamic,
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(f"torch can't export the {tower.name}: {first_line(error)}") from error
    # Per node the lines of Python that it comes from: larger than the graph, and with the paths of this machine.
    ClearMetadataAndDocStringPass()(program.model)
    _name_axes(program.model, tower)
    return program.model


def _free(tower: Tower, name: str) -> dict[int, object]:
    return {axis: torch.export.Dim.DYNAMIC for axis in tower.axes[name]}


def _name_axes(model: onnx_ir.Model, tower: Tower) -> None:
    """Gives free axes the names that other exporters give them, and refuses a graph that fixed one of them."""
    for value in model.graph.inputs:
        for axis, name in tower.axes[value.name].items():
            if isinstance(value.shape[axis], int):
                raise ExportError(f"The {tower.name} came out with {value.name}[{axis}] fixed at {value.shape[axis]}; expected any length.")
            value.shape[axis] = name
    for value in model.graph.outputs:
        value.shape[0] = "batch_size"


def save(model: onnx_ir.Model, file: Path, is_apart: bool = False) -> None:
    """Writes a graph; weights that don't fit in, or that are wanted apart, go to `<file>_data` beside it."""
    size = sum(value.const_value.nbytes for value in model.graph.initializers.values() if value.const_value is not None)
    apart = f"{file.name}_data" if is_apart or size > MOST_BYTES_INSIDE else None
    onnx_ir.save(model, file, external_data=apart)


def size_of(file: Path) -> int:
    """Bytes of a graph with the weights beside it."""
    return sum(part.stat().st_size for part in (file, file.with_name(f"{file.name}_data")) if part.exists())
