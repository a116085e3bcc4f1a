"""Puts things into places: training pictures by the batch, and larger photos for the gallery."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from canvas import emoji
from scenes import draw_scene
from world import COUNTS, DAY, NIGHT, NO_TIME, PLACES, SEED, THINGS

SIDE = 84
# Scenes are kept a little larger, and cut by chance.
MARGIN = 8
# Share of the height that a thing takes, by how many there are.
SIZES = {1: (0.4, 0.66), 2: (0.32, 0.44), 3: (0.26, 0.33)}


class Facts(NamedTuple):
    """What a picture shows: indices of world.THINGS and world.PLACES, how many, and the time."""

    thing: int
    place: int
    count: int
    time: int


def draw_facts(pair, rng):
    """A pair with a number and a time by chance; most pictures show one thing."""
    thing, place = pair
    count = COUNTS[rng.choice(3, p=(0.6, 0.25, 0.15))]
    time = NO_TIME if not PLACES[place].has_night else NIGHT if rng.random() < 0.33 else DAY
    return Facts(thing, place, count, time)


# Fresh noise for each picture would take longer than all the rest.
GRAIN = np.random.default_rng(SEED).normal(0, 1, 1 << 21).astype(np.float32)


@lru_cache(maxsize=30_000)
def sprite(thing, height, angle):
    source = emoji(THINGS[thing].emoji).rotate(angle, Image.Resampling.BICUBIC, expand=True)
    # The same number of pixels for a flat thing as for a tall one.
    scale = height / np.sqrt(source.width * source.height)
    size = (max(1, round(source.width * scale)), max(1, round(source.height * scale)))
    return np.asarray(source.resize(size, Image.Resampling.LANCZOS))


def compose(scene, facts, rng):
    """Sets the things into the middle square of a scene. Answers the picture and where things cover it (0..1)."""
    picture = scene.astype(np.float32)
    height, width = scene.shape[:2]
    cover = np.zeros((height, width), np.float32)
    low, high = SIZES[facts.count]
    floats = not PLACES[facts.place].has_ground or rng.random() < 0.12
    light = np.array((0.62, 0.64, 0.78)) + rng.uniform(-0.08, 0.08) if facts.time == NIGHT else rng.uniform(0.85, 1.1, 3)
    base = rng.uniform(0.7, 0.96)
    for slot in rng.permutation(facts.count):
        share = rng.uniform(low, high)
        thing = sprite(facts.thing, max(2, 2 * round(share * height / 2)), int(rng.integers(-2, 3)) * 7)
        if rng.random() < 0.5:
            thing = thing[:, ::-1]
        rows, columns = thing.shape[:2]
        spread = 0.16 if facts.count == 1 else 0.04
        x = (slot + 0.5) / facts.count + rng.uniform(-spread, spread)
        bottom = rng.uniform(0.35, 0.95) if floats else base + rng.uniform(-0.06, 0.04)
        left = int(np.clip(x * height - columns / 2, 0, height - columns)) + (width - height) // 2
        top = int(np.clip(bottom * height - rows, 0, height - rows))
        part = picture[top : top + rows, left : left + columns]
        alpha = thing[:, :, 3:].astype(np.float32) / 255
        part += alpha * (thing[:, :, :3] * light - part)
        region = cover[top : top + rows, left : left + columns]
        np.maximum(region, alpha[:, :, 0], out=region)
    picture *= rng.uniform(0.85, 1.12)
    start = rng.integers(GRAIN.size - picture.size)
    picture += rng.uniform(1, 7) * GRAIN[start : start + picture.size].reshape(picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8), cover


def photo(facts, rng, width=640, height=480):
    """A picture for people, as an image."""
    scene = np.asarray(draw_scene(facts.place, facts.time, width, height, rng))
    return Image.fromarray(compose(scene, facts, rng)[0])


class ScenePool:
    """Scenes to be used many times; each call of refresh() replaces some of them by new ones."""

    def __init__(self, rng, each=24):
        self.rng = rng
        times = [(place, time) for place, spec in enumerate(PLACES) for time in ((DAY, NIGHT) if spec.has_night else (NO_TIME,))]
        self.scenes = {key: [self.draw(*key) for _ in range(each)] for key in times}

    def draw(self, place, time):
        side = SIDE + MARGIN
        scene = draw_scene(place, time, side * 8 // 3, side * 2, self.rng)
        # A photo is cut to its middle; a bit off it does no harm.
        left = (scene.width - scene.height) // 2 + int(self.rng.integers(-side // 4, side // 4))
        square = scene.crop((left, 0, left + scene.height, scene.height))
        return np.asarray(square.resize((side, side), Image.Resampling.BICUBIC))

    def refresh(self, count):
        keys = list(self.scenes)
        for _ in range(count):
            key = keys[self.rng.integers(len(keys))]
            scenes = self.scenes[key]
            scenes[self.rng.integers(len(scenes))] = self.draw(*key)

    def picture(self, facts):
        """A training picture of SIDE pixels, and where things cover it."""
        scenes = self.scenes[facts.place, facts.time]
        scene = scenes[self.rng.integers(len(scenes))]
        x, y = self.rng.integers(0, MARGIN + 1, 2)
        scene = scene[y : y + SIDE, x : x + SIDE]
        return compose(scene[:, ::-1] if self.rng.random() < 0.5 else scene, facts, self.rng)
