"""Composes the photos of people for the demo gallery, and writes who is where.

    python -m faces.album ../../examples/demo-gallery
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from faces.crowds import HEIGHT, WIDTH, Face, box_of, light_of, overlaps, paste, sprite
from faces.people import gallery_people
from pictures import GRAIN
from scenes import draw_scene
from world import DAY, NIGHT, NO_TIME, PLACES, SEED

# How many people there are in each photo.
CASTS = (1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 8)
NUMBERS = {4: "four", 5: "five", 6: "six", 8: "eight"}
# People stand on the ground: not under water, not in space.
GROUNDED = [place for place, spec in enumerate(PLACES) if spec.has_ground]


def deal(names, rng):
    """The casts: from a pile of everybody, and another once it is used up; nobody is twice in a photo."""
    pile = []
    for count in CASTS:
        cast = []
        while len(cast) < count:
            if not set(pile) - set(cast):
                pile += [str(name) for name in rng.permutation(names)]
            cast.append(next(name for name in pile if name not in cast))
            pile.remove(cast[-1])
        yield cast


def stand_together(picture, cast, people, light, rng):
    """Sets people side by side, at most four in a row and the rows behind one another. Answers their faces by name."""
    rows = np.array_split(cast, -(-len(cast) // 4))
    ground = rng.uniform(0.88, 1.0)
    faces = []
    for behind, row in enumerate(rows):
        base = HEIGHT * (ground - 0.42 * (len(rows) - 1 - behind))
        for place, name in enumerate(row):
            slot = WIDTH / len(row)
            span = min(slot / 3.9, HEIGHT * 0.19 / len(rows)) * rng.uniform(0.75, 1)
            pixels, points = sprite(people[name], round(span), int(rng.integers(-4, 5)) * 3, bool(rng.random() < 0.5))
            height, width = pixels.shape[:2]
            left = int(np.clip((place + 0.5) * slot - width / 2 + rng.uniform(-0.5, 0.5) * (slot - width), 0, WIDTH - width))
            top = int(np.clip(base - height + rng.uniform(-30, 10), 0, HEIGHT - height))
            hidden = [face for _, face in faces if overlaps((left, top, left + width, top + height), face.box, 0.05)]
            assert not hidden, "somebody stands before another's face"
            paste(picture, pixels, left, top, light * rng.uniform(0.93, 1.07))
            faces.append((str(name), Face(people[name], box_of(points) + np.tile((left, top), 2), points + (left, top))))
    return faces


def title(cast, place, is_night):
    who = f"{NUMBERS[len(cast)]}-people" if len(cast) > 3 else "-and-".join(filter(None, ("-".join(cast[:-1]), cast[-1])))
    return f"{who}-{PLACES[place].phrases[0]}{' at night' if is_night else ''}".replace(" ", "-")


def compose(cast, people, rng):
    """A photo with its name and its faces."""
    place = GROUNDED[rng.integers(len(GROUNDED))]
    is_night = PLACES[place].has_night and rng.random() < 0.3
    time = NIGHT if is_night else DAY if PLACES[place].has_night else NO_TIME
    picture = np.asarray(draw_scene(place, time, WIDTH, HEIGHT, rng)).astype(np.float32)
    light = light_of(rng) * (0.82 if is_night else 1)
    faces = stand_together(picture, cast, people, light, rng)
    start = rng.integers(GRAIN.size - picture.size)
    picture = picture * rng.uniform(0.88, 1.08) + rng.uniform(1, 6) * GRAIN[start : start + picture.size].reshape(picture.shape)
    return title(cast, place, is_night), Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)), faces


def write_album(out):
    rng = np.random.default_rng(SEED + 2)
    people, truth = gallery_people(), {}
    for cast in deal(list(people), rng):
        name, image, faces = compose(cast, people, rng)
        file = next(name for name in (f"{name}{number}.jpg" for number in ("", "-2", "-3", "-4")) if name not in truth)
        image.save(out / "photos" / file, quality=82, optimize=True)
        truth[file] = [
            {"person": person, "box": np.round(face.box, 1).tolist(), "landmarks": np.round(face.points, 1).tolist()}
            for person, face in faces
        ]
    # A line for each photo.
    lines = ",\n".join(f"  {json.dumps(file)}: {json.dumps(truth[file])}" for file in sorted(truth))
    (out / "faces.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    print(f"{len(truth)} photos of {len(people)} people, {sum(map(len, truth.values()))} faces")


if __name__ == "__main__":
    write_album(Path(sys.argv[1]))
