"""Measures how well sentences find pictures, on pairs of thing and place that training never saw.

    python evaluate.py build
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from model import build_model, embed_texts, embed_vision, to_pixels
from pictures import Facts, ScenePool, draw_facts
from sentences import plain_sentence
from vocabulary import encode, train_tokenizer
from world import COUNTS, DAY, NIGHT, NO_TIME, PLACES, split_pairs


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


if __name__ == "__main__":
    report(*load(Path(sys.argv[1])))
