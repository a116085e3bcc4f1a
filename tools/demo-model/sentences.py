"""Sentences about pictures, from plain ("a cat on the beach") to those that people type ("kitties beach night")."""

from typing import NamedTuple

from world import COUNTS, DAY, NIGHT, NO_TIME, PLACES, THINGS, pluralise

ANY_COUNT, SEVERAL = frozenset(COUNTS), frozenset((2, 3))
ANY_TIME = frozenset((DAY, NIGHT, NO_TIME))
COUNT_WORDS = {1: ("one", "1", "a single"), 2: ("two", "2", "a pair of", "a couple of"), 3: ("three", "3")}
SEVERAL_WORDS = ("", "some", "several", "many", "the")
NIGHT_PHRASES = ("at night", "by night", "in the dark", "in the moonlight")
DAY_PHRASES = ("by day", "in the daytime", "in daylight")
OPENINGS = (
    "a photo of", "a picture of", "an image of", "photo of", "show me", "find", "i am looking for", "this is", "a drawing of",
    "there is", "here is", "we saw",
)
# Words that say nothing about the pictures, so that the model learns to pass over what it does not know.
ADJECTIVES = (
    "small", "big", "nice", "lovely", "old", "young", "cute", "funny", "beautiful", "happy", "little", "tiny", "huge", "pretty",
    "new", "strange", "lonely", "quiet", "favourite", "wonderful", "sleepy", "friendly", "colourful", "good", "great", "sweet",
)
EXTRAS = ("today", "again", "please", "in summer", "on holiday", "last year", "with us", "alone", "somewhere", "far away", "on sunday")


class Sentence(NamedTuple):
    """A text with what it says; None and the ANY sets where it says nothing."""

    text: str
    thing: int | None
    place: int | None
    counts: frozenset[int]
    times: frozenset[int]

    def fits(self, facts):
        return (
            self.thing in (None, facts.thing)
            and self.place in (None, facts.place)
            and facts.count in self.counts
            and facts.time in self.times
        )


def with_article(words):
    return f"{'an' if words[0] in 'aeiou' and not words.startswith('uni') else 'a'} {words}"


def plain_sentence(facts):
    """The one sentence by which pictures are asked for in tests: "two cats on the beach at night"."""
    thing = THINGS[facts.thing]
    subject = with_article(thing.name) if facts.count == 1 else f"{COUNT_WORDS[facts.count][0]} {thing.plural}"
    return f"{subject} {PLACES[facts.place].phrases[0]}{' at night' if facts.time == NIGHT else ''}"


class Writer:
    """Writes sentences of all kinds; the same generator gives the same ones."""

    def __init__(self, rng):
        self.rng = rng

    def pick(self, options):
        return options[self.rng.integers(len(options))]

    def chance(self, share):
        return self.rng.random() < share

    def subject(self, facts):
        """The thing in words, and the numbers that these leave open."""
        thing = THINGS[facts.thing]
        name, plural = thing.name, thing.plural
        if thing.synonyms and self.chance(0.35):
            name = self.pick(thing.synonyms)
            plural = "slices of pizza" if name == "slice of pizza" else pluralise(name)
        adjective = f"{self.pick(ADJECTIVES)} " if self.chance(0.15) else ""
        if facts.count > 1 and self.chance(0.25):
            return f"{self.pick(SEVERAL_WORDS)} {adjective}{plural}".strip(), SEVERAL
        if facts.count > 1:
            return f"{self.pick(COUNT_WORDS[facts.count])} {adjective}{plural}", frozenset((facts.count,))
        if self.chance(0.1):
            return f"{self.pick(COUNT_WORDS[1])} {adjective}{name}", frozenset((1,))
        if self.chance(0.1):
            return f"{self.pick(('the', 'my', 'our'))} {adjective}{name}", ANY_COUNT
        return with_article(adjective + name), frozenset((1,))

    def keyword(self, facts):
        thing = THINGS[facts.thing]
        if facts.count > 1 and self.chance(0.5):
            return thing.plural, SEVERAL if thing.plural != thing.name else ANY_COUNT
        return self.pick((thing.name, *thing.synonyms)), ANY_COUNT

    def time(self, facts):
        """Words for the time, or none."""
        if facts.time == NIGHT and self.chance(0.8):
            return (NIGHT_PHRASES[0] if self.chance(0.5) else self.pick(NIGHT_PHRASES)), frozenset((NIGHT,))
        if facts.time == DAY and self.chance(0.15):
            return self.pick(DAY_PHRASES), frozenset((DAY,))
        return "", ANY_TIME

    def sentence(self, facts):
        """Something true about a picture; one in five says only a part."""
        place = PLACES[facts.place]
        time, times = self.time(facts)
        kind = self.rng.random()
        if kind < 0.1:
            subject, counts = self.subject(facts) if self.chance(0.5) else self.keyword(facts)
            return Sentence(self.finish(f"{subject} {time}"), facts.thing, None, counts, times)
        if kind < 0.2:
            words = self.pick((self.pick(place.phrases), self.pick(place.nouns), f"the {self.pick(place.nouns)}"))
            return Sentence(self.finish(f"{words} {time}"), None, facts.place, ANY_COUNT, times)
        if kind < 0.3:
            subject, counts = self.keyword(facts)
            words = [subject, self.pick(place.nouns), *(["night"] if facts.time in times and times == {NIGHT} else [])]
            times = times if "night" in words else ANY_TIME
            self.rng.shuffle(words)
            return Sentence(" ".join(words), facts.thing, facts.place, counts, times)
        subject, counts = self.subject(facts)
        phrase = place.phrases[0] if self.chance(0.5) else self.pick(place.phrases)
        if kind < 0.8:
            text = f"{subject} {phrase} {time}"
        elif kind < 0.87:
            text = f"{phrase} {time} {subject}" if self.chance(0.5) else f"{time} {subject} {phrase}"
        elif kind < 0.94:
            text = f"{with_article(self.pick(place.nouns))} with {subject} {time}"
        else:
            text = f"{subject} and {with_article(self.pick(place.nouns))} {time}"
        return Sentence(self.finish(text), facts.thing, facts.place, counts, times)

    def finish(self, text):
        words = text.split()
        if self.chance(0.25):
            words = [self.pick(OPENINGS), *words]
        if self.chance(0.08):
            words.append(self.pick(EXTRAS))
        if self.chance(0.04):
            letters = self.rng.choice(list("abcdefghijklmnoprstuvwy"), self.rng.integers(3, 9))
            words.insert(self.rng.integers(len(words) + 1), "".join(letters))
        return " ".join(words)
