"""Exports a two-tower model of transformers to a folder of ONNX graphs that clip-runner reads. See README.md."""

import argparse
import os
import sys
import warnings
from pathlib import Path

from failure import ExportError
from layout import folder_in_the_making, write_configs

DTYPE_NAMES = ["fp32", "fp16", "q8"]


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a repository of the hub (owner/name), or a folder")
    parser.add_argument("out", type=Path, help="the folder to make")
    parser.add_argument("--dtype", nargs="+", choices=DTYPE_NAMES, default=DTYPE_NAMES, help="default: all three")
    parser.add_argument("--revision", help="branch, tag or commit of the repository")
    parser.add_argument("--external-data", action="store_true", help="keep weights beside the graphs, however small")
    parser.add_argument("--force", action="store_true", help="replace the folder if it exists")
    return parser.parse_args(arguments)


def export(options: argparse.Namespace) -> None:
    with folder_in_the_making(options.out, options.force) as folder:
        # Late, since these imports take seconds.
        from check import check_graph, torch_values
        from graph import size_of
        from precision import write_graphs
        from source import read_source
        from towers import towers_of

        source = read_source(options.model, options.revision)
        write_configs(source, folder)
        graphs = folder / "onnx"
        graphs.mkdir()
        for tower in towers_of(source):
            expected = torch_values(tower)
            for dtype, file in write_graphs(tower, options.dtype, graphs, options.external_data).items():
                likeness = check_graph(file, tower, expected, dtype)
                print(
                    f"{file.name}: {size_of(file) / 1e6:.1f} MB, least cosine {likeness.least_cosine:.8f}, "
                    f"largest difference {likeness.most_difference:.1e}",
                    flush=True,
                )


def main() -> int:
    options = read_arguments()
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore")
    try:
        export(options)
    except ExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"wrote {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
