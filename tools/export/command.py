"""What the exporters share: their arguments, the folder, and how a failure is told."""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from failure import ExportError, UsageError
from layout import folder_in_the_making, write_configs

if TYPE_CHECKING:
    # What these import takes seconds, and wrong arguments should be told at once.
    from source import Source
    from towers import Tower

DTYPE_NAMES = ["fp32", "fp16", "q8"]

Read = Callable[[str, str | None], "Source"]
Parts = Callable[["Source"], Iterator["Tower"]]
Place = Callable[[str], Path]


def run(description: str, load: Callable[[], tuple[Read, Parts]], place: Place | None = None) -> int:
    """Exports what the arguments name, and answers the exit code.

    `load` imports the heavy libraries. With `place` the folder to make may be left out: it says where a model goes then.
    """
    options = _read_arguments(description, place is not None)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore")
    try:
        options.out = options.out or place(options.model)
        _export(options, load)
    except ExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"wrote {options.out}")
    return 0


def exports_folder(model: str) -> Path:
    """Where clip-runner looks for what was exported of a hub repository. Raises UsageError where `model` is none."""
    from huggingface_hub.constants import HF_HUB_CACHE

    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", model) or Path(model).is_dir():
        raise UsageError(f"{model} is not a repository of the hub (owner/name): name the folder to make, too.")
    return Path(HF_HUB_CACHE, "clip-runner", "exports", model.replace("/", "--"))


def _read_arguments(description: str, may_lack_out: bool) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("model", help="a repository of the hub (owner/name), or a folder")
    wanted = "the folder to make"
    if may_lack_out:
        parser.add_argument("out", type=Path, nargs="?", help=f"{wanted}; default: where clip-runner looks for the repository's name")
    else:
        parser.add_argument("out", type=Path, help=wanted)
    parser.add_argument("--dtype", nargs="+", choices=DTYPE_NAMES, default=DTYPE_NAMES, help="default: all three")
    parser.add_argument("--revision", help="branch, tag or commit of the repository")
    parser.add_argument("--external-data", action="store_true", help="keep weights beside the graphs, however small")
    parser.add_argument("--force", action="store_true", help="replace the folder if it exists")
    return parser.parse_args()


def _export(options: argparse.Namespace, load: Callable[[], tuple[Read, Parts]]) -> None:
    with folder_in_the_making(options.out, options.force) as folder:
        read, parts_of = load()
        from check import check_graph, torch_values
        from graph import size_of
        from precision import write_graphs

        source = read(options.model, options.revision)
        write_configs(source, folder)
        graphs = folder / "onnx"
        graphs.mkdir()
        for part in parts_of(source):
            expected = torch_values(part)
            for dtype, file in write_graphs(part, options.dtype, graphs, options.external_data).items():
                likeness = check_graph(file, part, expected, dtype)
                print(
                    f"{file.name}: {size_of(file) / 1e6:.1f} MB, least cosine {likeness.least_cosine:.8f}, "
                    f"largest difference {likeness.most_difference:.1e}",
                    flush=True,
                )
