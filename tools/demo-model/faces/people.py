"""The people: emojis with their skin tones, where their faces are, and which of them are never trained."""

import random
from typing import NamedTuple

import numpy as np

from world import SEED

# Noto draws all adults with one face and all children with another, in different sizes. So the eyes tell the rest.
# Shares of the distance of the eyes from the middle between them: the nose, and the corners of the mouth.
ADULT, CHILD = (0.35, 0.34, 0.62), (0.2, 0.35, 0.5)
# The box of a face, in the same measure: left, top, right, bottom.
BOX = np.array((-1.05, -0.8, 1.05, 1.1))

TONES = ("", "🏻", "🏼", "🏽", "🏾", "🏿")


class Head(NamedTuple):
    """An emoji of a person; eyes in pixels of its bitmap."""

    emoji: str
    left: float
    right: float
    height: float
    kind: tuple[float, float, float] = ADULT


HEADS = (
    Head("👦", 30.9, 74.9, 77.2, CHILD), Head("👧", 38.3, 81.3, 77.2, CHILD), Head("🧒", 38.9, 82.6, 77.2, CHILD),
    Head("🧑", 36.4, 79.8, 69.2), Head("👨", 28.4, 71.8, 69.2), Head("👩", 31.4, 74.8, 69.2), Head("🧔", 32.8, 74.9, 68.9),
    Head("🧔‍♂️", 28.7, 71.4, 69.8), Head("🧔‍♀️", 29.7, 72.4, 69.8), Head("🧓", 35.6, 80.4, 71.4), Head("👴", 31.5, 75.6, 63.3),
    Head("👵", 27.6, 72.4, 71.4), Head("🤴", 31.2, 73.3, 77.3), Head("👸", 31.5, 73.4, 76.0), Head("👱", 35.2, 68.6, 53.5),
    Head("👱‍♀️", 35.2, 68.6, 53.5), Head("👱‍♂️", 35.2, 68.6, 53.5), Head("👨‍🦰", 35.2, 68.6, 53.5), Head("👨‍🦱", 34.2, 67.6, 53.5),
    Head("👨‍🦳", 35.2, 68.6, 53.5), Head("👨‍🦲", 35.2, 68.6, 46.5), Head("👩‍🦰", 35.2, 68.6, 55.5), Head("👩‍🦱", 34.2, 67.6, 56.5),
    Head("👩‍🦳", 35.2, 68.6, 55.5), Head("🧑‍🦰", 35.2, 68.6, 53.5), Head("🧑‍🦳", 35.2, 68.6, 53.5), Head("👮", 36.2, 69.6, 53.5),
    Head("👷", 35.4, 68.6, 54.0), Head("👳", 35.2, 68.6, 53.5), Head("👲", 34.4, 67.6, 54.8), Head("🧕", 35.2, 68.6, 53.5),
    Head("👰", 44.2, 77.6, 53.5), Head("🎅", 35.2, 68.6, 53.5), Head("🤶", 35.2, 68.6, 53.5), Head("🧙", 34.2, 67.6, 54.5),
    Head("🧙‍♂️", 34.2, 67.6, 54.5), Head("🧝", 35.2, 68.6, 53.5), Head("🧛", 43.2, 76.6, 53.5), Head("🧛‍♀️", 43.2, 76.6, 53.5),
    Head("👨‍🏫", 43.7, 75.3, 54.8), Head("👩‍🏫", 44.8, 76.2, 56.2), Head("👨‍🌾", 33.8, 65.2, 53.2), Head("👩‍🍳", 32.9, 65.0, 55.3),
    Head("👨‍🔧", 29.1, 61.8, 53.4), Head("👩‍🎤", 43.0, 76.2, 56.8), Head("👩‍✈️", 36.2, 69.6, 54.5), Head("👨‍🚀", 37.5, 67.5, 57.0),
    Head("👩‍🚒", 35.2, 68.6, 53.5), Head("👩‍🎓", 36.2, 69.6, 53.5),
)


class Person(NamedTuple):
    """Indices of HEADS and TONES."""

    head: int
    tone: int

    @property
    def emoji(self):
        character = HEADS[self.head].emoji
        return character[0] + TONES[self.tone] + character[1:]

    @property
    def points(self):
        """Eyes, nose and corners of the mouth in the bitmap, as detectors order them: what is left in the picture first."""
        _, left, right, height, (nose, mouth_half, mouth) = HEADS[self.head]
        middle, span = (left + right) / 2, right - left
        shares = ((-0.5, 0), (0.5, 0), (0, nose), (-mouth_half, mouth), (mouth_half, mouth))
        return np.array([(middle + x * span, height + y * span) for x, y in shares])


# Who is in the photos of the gallery. They belong to the people that training never sees.
GALLERY = {
    "anna": ("👩‍🦰", "🏻"), "otto": ("🧔", "🏼"), "mei": ("👵", "🏾"), "ravi": ("👳", "🏽"), "zoe": ("👩‍🦱", "🏿"), "leo": ("👦", "🏻"),
    "lina": ("🧕", "🏽"), "karl": ("👨‍🏫", "🏼"),
}
# Heads of which no tone is trained.
NEW_HEADS = ("👲", "🧛‍♀️", "👩‍🍳", "👩‍🚒")


def gallery_people():
    emojis = [head.emoji for head in HEADS]
    return {name: Person(emojis.index(emoji), TONES.index(tone)) for name, (emoji, tone) in GALLERY.items()}


def split_people(known_heads=32):
    """Three lists: trained; of trained heads, but in another tone (the first are those of the gallery); of new heads."""
    people = [Person(head, tone) for head in range(len(HEADS)) for tone in range(len(TONES))]
    new = [person for person in people if HEADS[person.head].emoji in NEW_HEADS]
    rest = sorted(set(people) - set(new))
    random.Random(SEED).shuffle(rest)
    kept = list(gallery_people().values())
    for person in rest:
        if len(kept) < known_heads and all(person.head != other.head for other in kept):
            kept.append(person)
    return sorted(set(rest) - set(kept)), kept, new
