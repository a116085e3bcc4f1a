"""Composes the photos of the demo gallery, all of pairs that training never saw, and names each by what it shows.

    python gallery.py ../../examples/demo-gallery/photos
"""

import sys
from pathlib import Path

import numpy as np

from evaluate import plain_facts
from pictures import draw_facts, photo
from sentences import plain_sentence
from world import ASKED_FOR, SEED, split_pairs

COUNT = 60


def gallery_facts(rng):
    """First what people ask for, alone and by day; then the same by chance, and other pairs of the test."""
    _, _, test = split_pairs()
    asked = test[: len(ASKED_FOR)]
    facts = [plain_facts(pair) for pair in asked]
    facts += [draw_facts(pair, rng) for pair in asked]
    facts += [draw_facts(pair, rng) for pair in test[len(asked) : len(asked) + COUNT - len(facts)]]
    return facts


def write_gallery(out):
    rng = np.random.default_rng(SEED + 1)
    out.mkdir(parents=True, exist_ok=True)
    seen = {}
    for facts in gallery_facts(rng):
        name = plain_sentence(facts).replace(" ", "-")
        seen[name] = seen.get(name, 0) + 1
        file = out / f"{name}{f'-{seen[name]}' if seen[name] > 1 else ''}.jpg"
        photo(facts, rng).save(file, quality=82, optimize=True)
    files = list(out.iterdir())
    print(f"{len(files)} photos, the largest of {max(file.stat().st_size for file in files):,} bytes")


if __name__ == "__main__":
    write_gallery(Path(sys.argv[1]))
