"""What there is in the demo model's world: things, places, and which pairs of them are never trained."""

import random
from typing import NamedTuple

SEED = 20261122


class Thing(NamedTuple):
    name: str
    emoji: str
    synonyms: tuple[str, ...] = ()
    irregular: str | None = None

    @property
    def plural(self):
        return self.irregular or pluralise(self.name)


class Place(NamedTuple):
    name: str
    phrases: tuple[str, ...]
    nouns: tuple[str, ...]
    has_night: bool
    has_ground: bool = True


def pluralise(word):
    """Good enough for the words below; the others bring their own plural."""
    if word.endswith(("s", "x", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


THINGS = (
    Thing("cat", "🐈", ("kitty", "kitten")), Thing("dog", "🐕", ("puppy",)), Thing("horse", "🐎", ("pony",)),
    Thing("cow", "🐄"), Thing("pig", "🐖", ("piglet",)), Thing("sheep", "🐑", ("lamb",), "sheep"),
    Thing("camel", "🐪"), Thing("elephant", "🐘"), Thing("giraffe", "🦒"), Thing("tiger", "🐅"), Thing("lion", "🦁"),
    Thing("monkey", "🐒"), Thing("rabbit", "🐇", ("bunny",)),
    Thing("panda", "🐼", ("panda bear",)), Thing("fox", "🦊"), Thing("penguin", "🐧"), Thing("rooster", "🐓", ("cock",)),
    Thing("duck", "🦆"), Thing("owl", "🦉"), Thing("parrot", "🦜"), Thing("flamingo", "🦩"),
    Thing("turtle", "🐢", ("tortoise",)), Thing("snake", "🐍"),
    Thing("frog", "🐸"), Thing("snail", "🐌"), Thing("butterfly", "🦋"), Thing("ladybug", "🐞", ("ladybird",)),
    Thing("fish", "🐠", (), "fish"), Thing("shark", "🦈"), Thing("whale", "🐳"),
    Thing("octopus", "🐙"), Thing("crab", "🦀"), Thing("dinosaur", "🦕"),
    Thing("car", "🚗", ("automobile",)), Thing("bus", "🚌", ("coach",)), Thing("tractor", "🚜"), Thing("ambulance", "🚑"),
    Thing("bicycle", "🚲", ("bike",)), Thing("train", "🚂", ("locomotive",)),
    Thing("helicopter", "🚁"), Thing("plane", "🛩️", ("airplane", "aeroplane")), Thing("rocket", "🚀"),
    Thing("sailboat", "⛵", ("sailing boat", "boat")),
    Thing("umbrella", "☂️", ("parasol",)), Thing("football", "⚽", ("soccer ball", "ball")), Thing("balloon", "🎈"),
    Thing("guitar", "🎸"), Thing("camera", "📷"), Thing("clock", "⏰", ("alarm clock",)),
    Thing("chair", "🪑"), Thing("backpack", "🎒", ("rucksack",)),
    Thing("gift", "🎁", ("present",)), Thing("robot", "🤖"), Thing("teddy bear", "🧸", ("teddy",)),
    Thing("cake", "🎂", ("birthday cake",)), Thing("pizza", "🍕", ("slice of pizza",)),
    Thing("hamburger", "🍔", ("burger",)), Thing("ice cream", "🍦", ("ice cream cone",)), Thing("apple", "🍎"),
    Thing("banana", "🍌"), Thing("pineapple", "🍍"), Thing("mushroom", "🍄", ("toadstool",)),
    Thing("pumpkin", "🎃"), Thing("lantern", "🏮", ("paper lantern",)),
)

PLACES = (
    Place("beach", ("on the beach", "at the beach", "by the sea", "at the seaside"), ("beach", "seaside", "coast"), True),
    Place("snow", ("in the snow", "on the snow", "in a snowy field", "in winter"), ("snow", "winter landscape"), True),
    Place("forest", ("in the forest", "in the woods", "among the trees"), ("forest", "wood"), True),
    Place("desert", ("in the desert", "on the sand dunes", "among the cactuses"), ("desert", "sand dune"), True),
    Place("city", ("in the city", "in the street", "in town", "between tall buildings"), ("city", "street", "town"), True),
    Place("mountains", ("in the mountains", "below the peaks", "in the alps"), ("mountain", "mountain landscape"), True),
    Place("meadow", ("in the meadow", "on the grass", "among the flowers", "in a green field"), ("meadow", "green field"), True),
    Place("kitchen", ("in the kitchen", "on the kitchen counter"), ("kitchen",), False),
    Place("living room", ("in the living room", "on the carpet", "at home by the sofa"), ("living room", "lounge"), False),
    Place("library", ("in the library", "in front of the bookshelves", "among the books"), ("library", "bookshelf"), False),
    Place("sea", ("under water", "underwater", "in the sea", "in the ocean"), ("sea", "ocean", "coral reef"), False, False),
    Place("space", ("in space", "in outer space", "among the planets"), ("space", "galaxy"), False, False),
)

COUNTS = (1, 2, 3)
# What the clock says in a picture: indoors, under water and in space nobody can tell.
DAY, NIGHT, NO_TIME = 0, 1, 2

# Pairs that people like to ask a demo for. They belong to the pairs that training never sees.
ASKED_FOR = (
    ("cat", "beach"), ("dog", "snow"), ("horse", "meadow"), ("penguin", "desert"), ("elephant", "city"), ("owl", "forest"),
    ("robot", "kitchen"), ("guitar", "mountains"), ("teddy bear", "living room"), ("fox", "library"), ("turtle", "sea"),
    ("pizza", "space"),
)


def split_pairs(test=100, validation=40):
    """Lists of (thing, place) indices: trained, for validation, for the test. No pair is in two of them."""
    names, places = [thing.name for thing in THINGS], [place.name for place in PLACES]
    draw = random.Random(SEED)
    pairs = [(thing, place) for thing in range(len(THINGS)) for place in range(len(PLACES))]
    draw.shuffle(pairs)
    chosen = [(names.index(thing), places.index(place)) for thing, place in ASKED_FOR]
    for pair in pairs:
        # No thing and no place loses more than its share.
        siblings = sum(pair[0] == thing for thing, _ in chosen)
        neighbours = sum(pair[1] == place for _, place in chosen)
        if len(chosen) < test + validation and pair not in chosen and siblings < 3 and neighbours < 14:
            chosen.append(pair)
    trained = sorted(set(pairs) - set(chosen))
    return trained, chosen[test:], chosen[:test]
