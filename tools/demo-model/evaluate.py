"""Measures how well sentences find pictures, on pairs of thing and place that training never saw.

    python evaluate.py build
    python evaluate.py --bare ../../examples/demo-gallery

The first takes what train.py left, and fresh pictures; the second the exported model and the photos of the gallery, and asks
for things in a word or two: "dog", "a dog", "dogs", "two dogs".
"""

import re
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from PIL import Image
from tokenizers import Tokenizer

from model import build_model, embed_texts, embed_vision, to_pixels
from pictures import SIDE, Facts, ScenePool, draw_facts
from sentences import COUNT_WORDS, plain_sentence, with_article
from vocabulary import encode, train_tokenizer
from world import COUNTS, DAY, NIGHT, NO_TIME, PLACES, THINGS, split_pairs


def plain_facts(pair):
    return Facts(*pair, count=1, time=DAY if PLACES[pair[1]].has_night else NO_TIME)


def evaluate_pairs(model, tokenizer, pairs, seed, facts_of=plain_facts):
    """One picture a pair; each sentence searches all of them. Answers the shares found first and among three."""
    rng = np.random.default_rng(seed)
    return evaluate_facts(model, tokenizer, [facts_of(pair) for pair in pairs], ScenePool(rng, each=4))


@torch.no_grad()
def evaluate_facts(model, tokenizer, facts, pool):
    model.eval()
    images = F.normalize(embed_vision(model, to_pixels(np.stack([pool.picture(fact)[0] for fact in facts])))[0], dim=-1)
    ids = torch.from_numpy(encode(tokenizer, [plain_sentence(fact) for fact in facts]))
    texts = F.normalize(embed_texts(model, ids), dim=-1)
    model.train()
    scores = texts @ images.T
    ranks = (scores > scores.diagonal()[:, None]).sum(1)
    return {f"top-{top}": round((ranks < top).float().mean().item(), 4) for top in (1, 3)}


def report(model, tokenizer, rounds=5):
    """Prints each figure as the mean over some rounds with fresh pictures, and the worst round."""
    _, _, test = split_pairs()
    rng = np.random.default_rng(7)
    outdoors = [pair for pair in test if PLACES[pair[1]].has_night]

    def variants(seed):
        # One pair, by all numbers and both times: what is left to tell is the number and the time.
        pool = ScenePool(np.random.default_rng(seed), each=1)
        results = [
            evaluate_facts(model, tokenizer, [Facts(*pair, count, time) for count in COUNTS for time in (DAY, NIGHT)], pool)
            for pair in outdoors
        ]
        return {name: float(np.mean([result[name] for result in results])) for name in results[0]}

    kinds = {
        "one thing, by day": lambda seed: evaluate_pairs(model, tokenizer, test, seed),
        "any number and time": lambda seed: evaluate_pairs(model, tokenizer, test, seed, lambda pair: draw_facts(pair, rng)),
        f"number and time among 6 of a pair ({len(outdoors)} pairs)": variants,
    }
    for kind, measure in kinds.items():
        results = [measure(1000 + seed) for seed in range(rounds)]
        for name in results[0]:
            values = [result[name] for result in results]
            print(f"{kind}: {name} {np.mean(values):.1%} (worst of {rounds} rounds {min(values):.1%})")


def load(folder):
    """The model and the tokenizer that train.py left."""
    state = torch.load(folder / "checkpoint.pt")
    tokenizer = train_tokenizer()
    model = build_model(tokenizer)
    model.load_state_dict(state["model"])
    return model, tokenizer


def gallery_facts_of(files):
    """What the photos show, by their names: a sentence, and a number where there is another of that name."""
    times = (DAY, NIGHT, NO_TIME)
    every = [Facts(*pair, count, time) for pairs in split_pairs() for pair in pairs for count in COUNTS for time in times]
    by_sentence = {plain_sentence(facts): facts for facts in every}
    return [by_sentence[re.sub(r"-\d$", "", file.stem).replace("-", " ")] for file in files]


def normalised(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def photo_pixels(file):
    """As preprocessor_config.json says: the shortest edge to the model's side, and the middle of it."""
    picture = Image.open(file).convert("RGB")
    scale = SIDE / min(picture.size)
    picture = picture.resize([round(length * scale) for length in picture.size], Image.Resampling.BICUBIC)
    left, top = ((length - SIDE) // 2 for length in picture.size)
    return np.asarray(picture.crop((left, top, left + SIDE, top + SIDE)))


def report_bare(gallery):
    """Prints how often the photo found first, and one of the first three, shows what a word or two ask for."""
    files = sorted((gallery / "photos").glob("*.jpg"))
    shown = gallery_facts_of(files)
    graphs = [onnxruntime.InferenceSession(gallery / "model" / "onnx" / f"{side}_model.onnx") for side in ("vision", "text")]
    tokenizer = Tokenizer.from_file(str(gallery / "model" / "tokenizer.json"))
    (photos,) = graphs[0].run(None, {"pixel_values": to_pixels(np.stack([photo_pixels(file) for file in files])).numpy()})

    def shares(queries):
        """Of queries, each with the things and the numbers that answer it."""
        texts = [graphs[1].run(None, {"input_ids": np.array([tokenizer.encode(text).ids])})[0] for text, _, _ in queries]
        order = np.argsort(-normalised(np.concatenate(texts)) @ normalised(photos).T, axis=1)
        right = np.array([[f.thing == thing and f.count in counts for f in shown] for _, thing, counts in queries])
        ranked = np.take_along_axis(right, order, axis=1)
        return [ranked[:, :top].any(axis=1).mean() for top in (1, 3)]

    things = sorted({facts.thing for facts in shown})
    several = sorted({(facts.thing, facts.count) for facts in shown if facts.count > 1})
    kinds = {
        'a bare noun ("dog"), any number': [(THINGS[thing].name, thing, COUNTS) for thing in things],
        'with its article ("a dog"), any number': [(with_article(THINGS[thing].name), thing, COUNTS) for thing in things],
        'a bare plural ("dogs"), any number': [(THINGS[thing].plural, thing, COUNTS) for thing, _ in several],
        'a bare plural ("dogs"), several': [(THINGS[thing].plural, thing, (2, 3)) for thing, _ in several],
        'a number ("two dogs"), that number': [
            (f"{COUNT_WORDS[count][0]} {THINGS[thing].plural}", thing, (count,)) for thing, count in several
        ],
    }
    for kind, queries in kinds.items():
        queries = list(dict.fromkeys(queries))
        first, three = shares(queries)
        print(f"{kind}: {len(queries)} queries over {len(files)} photos, right first {first:.1%}, among three {three:.1%}")


if __name__ == "__main__":
    if sys.argv[1] == "--bare":
        report_bare(Path(sys.argv[2]))
    else:
        report(*load(Path(sys.argv[1])))
