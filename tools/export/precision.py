"""The dtypes that a graph comes in, and how the smaller ones are made."""

import copy
import logging
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import onnx_ir
from onnxruntime.quantization import QuantType, quantize_dynamic

from graph import save, trace
from towers import Tower


@dataclass(frozen=True)
class Dtype:
    """How a graph's file name ends, and how near to torch's float32 its embeddings must be."""

    suffix: str
    least_cosine: float
    most_difference: float | None = None
    """Largest difference of one number, as a share of the largest number where that is above 1."""


DTYPES = {
    "fp32": Dtype("", 0.99999, 1e-4),
    "fp16": Dtype("_fp16", 0.999),
    "q8": Dtype("_quantized", 0.95),
}


def write_graphs(tower: Tower, dtypes: list[str], folder: Path, is_apart: bool = False) -> dict[str, Path]:
    """Writes a tower's graphs into a folder, and answers their files by dtype.

    Afterwards the tower's module may be in half precision: take torch's numbers from it before.
    """
    files = {dtype: folder / f"{tower.name}{DTYPES[dtype].suffix}.onnx" for dtype in dtypes}
    if "fp32" in files or "q8" in files:
        model = trace(tower)
        if "fp32" in files:
            save(model, files["fp32"], is_apart)
        if "q8" in files:
            save(_quantised(model), files["q8"], is_apart)
    if "fp16" in files:
        # Halved before it is traced, so that torch itself says where float32 is needed. A copy: both towers share one
        # model, and what has been half is not what it was.
        halved = replace(tower, module=copy.deepcopy(tower.module).half())
        save(trace(halved), files["fp16"], is_apart)
    return files


def _quantised(model: onnx_ir.Model) -> onnx_ir.Model:
    """Weights of matrix products in 8 bits, one scale per column; activations are scaled at run time.

    Convolutions and embedding tables stay as they are: they are small, or lose most. Seven of the eight bits are used,
    since processors without VNNI instructions add up two products in 16 bits.
    """
    with tempfile.TemporaryDirectory() as scratch:
        plain, small = Path(scratch, "plain.onnx"), Path(scratch, "small.onnx")
        save(model, plain, is_apart=True)
        logging.disable(logging.WARNING)
        try:
            quantize_dynamic(
                plain,
                small,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                reduce_range=True,
                weight_type=QuantType.QInt8,
                use_external_data_format=True,
            )
        finally:
            logging.disable(logging.NOTSET)
        quantised = onnx_ir.load(small)
        # The scratch folder goes away, and the weights are in it.
        onnx_ir.external_data.load_to_model(quantised)
        return quantised
