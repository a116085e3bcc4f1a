"""Exports a two-tower model of transformers to a folder of ONNX graphs that clip-runner reads. See README.md."""

import sys

from command import Parts, Read, run


def load() -> tuple[Read, Parts]:
    from source import read_source
    from towers import towers_of

    return read_source, towers_of


if __name__ == "__main__":
    sys.exit(run(__doc__, load))
