"""Compares what an exported graph gives with what torch gave."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from failure import ExportError
from precision import DTYPES
from towers import Tower, flat


@dataclass(frozen=True)
class Likeness:
    """How near a graph came to torch over all samples, at worst."""

    least_cosine: float
    most_difference: float
    """Largest difference of one number, as a share of the largest number where that is above 1."""


def torch_values(tower: Tower) -> list[list[np.ndarray]]:
    """What the tower gives for each of its samples, by output: `[batch, …]` float32, embeddings not normalised."""
    with torch.no_grad():
        return [[value.numpy() for value in tower.values(feeds)] for feeds in tower.samples]


def check_graph(file: Path, tower: Tower, expected: list[list[np.ndarray]], dtype: str) -> Likeness:
    """Runs every sample through a graph. Raises ExportError where one is too far from what torch gave."""
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    _check_inputs(session, file, tower)
    cosines, differences = [], []
    for feeds, values in zip(tower.samples, expected, strict=True):
        outputs = session.run(list(tower.outputs), {name: tensor.numpy() for name, tensor in flat(feeds).items()})
        for given, right in zip(outputs, values, strict=True):
            if given.shape != right.shape or given.dtype != np.float32:
                raise ExportError(f"{file.name} gives {given.dtype}{list(given.shape)}; expected float32{list(right.shape)}.")
            if not np.isfinite(given).all():
                raise ExportError(f"{file.name} gives NaN or infinity where torch gives numbers: the weights are too large for {dtype}.")
            cosines.append(_cosines(given, right).min())
            differences.append(np.abs(given - right).max() / max(1.0, np.abs(right).max()))
    likeness = Likeness(float(min(cosines)), float(max(differences)))
    wanted = DTYPES[dtype]
    is_far = wanted.most_difference is not None and likeness.most_difference > wanted.most_difference
    # Zeros have no direction: NaN is not near enough either.
    if not likeness.least_cosine >= wanted.least_cosine or is_far:
        within = "" if wanted.most_difference is None else f" and a difference of at most {wanted.most_difference:.0e}"
        raise ExportError(
            f"{file.name} is too far from torch: cosine {likeness.least_cosine:.6f}, largest difference "
            f"{likeness.most_difference:.1e}; expected a cosine of at least {wanted.least_cosine}{within}."
        )
    return likeness


def _check_inputs(session: onnxruntime.InferenceSession, file: Path, tower: Tower) -> None:
    found = {value.name for value in session.get_inputs()}
    if found != set(tower.axes):
        raise ExportError(f"{file.name} takes {sorted(found)}; expected {sorted(tower.axes)}.")


def _cosines(given: np.ndarray, right: np.ndarray) -> np.ndarray:
    given, right = (values.reshape(len(values), -1).astype(np.float64) for values in (given, right))
    return (given * right).sum(axis=1) / np.linalg.norm(given, axis=1) / np.linalg.norm(right, axis=1)
