"""Exports a BLIP captioner of transformers to a folder of ONNX graphs that clip-runner reads. See README.md."""

import sys

from command import Parts, Read, exports_folder, run


def load() -> tuple[Read, Parts]:
    from captioner import parts_of
    from source import CAPTIONERS, read_source

    return lambda name, revision: read_source(name, revision, CAPTIONERS), parts_of


if __name__ == "__main__":
    sys.exit(run(__doc__, load, exports_folder))
