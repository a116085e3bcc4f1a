"""Trains the demo model on pictures and sentences that are made as it goes; no picture is seen twice.

    python train.py --out build

First the vision side learns to tell things, places, numbers and times, patch by patch and as a whole; then both sides
learn to agree, as CLIP does, while the same telling goes on from the embeddings of both.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import distributed, multiprocessing, nn

from evaluate import evaluate_pairs
from model import EMBEDDING, PATCH, build_model, embed_texts, embed_vision, to_pixels
from pictures import SIDE, ScenePool, draw_facts
from sentences import ANY_COUNT, ANY_TIME, Writer
from vocabulary import encode, train_tokenizer
from world import COUNTS, PLACES, SEED, THINGS, split_pairs

SILENT = -100  # what cross_entropy passes over


def make_batches(tokenizer, size, seed):
    """Endless batches of pictures with sentences, from one generator."""
    rng = np.random.default_rng(seed)
    pool, writer = ScenePool(rng), Writer(rng)
    trained, _, _ = split_pairs()
    while True:
        pool.refresh(2)
        facts = [draw_facts(trained[rng.integers(len(trained))], rng) for _ in range(size)]
        pictures, covers = zip(*(pool.picture(fact) for fact in facts))
        sentences = [writer.sentence(fact) for fact in facts]
        assert all(sentence.fits(fact) for sentence, fact in zip(sentences, facts)), "a sentence is wrong about its picture"
        covers = share_of_patches(np.stack(covers))
        yield {
            "pictures": torch.from_numpy(np.stack(pictures)),
            "covers": torch.from_numpy(covers),
            "patches": torch.from_numpy(name_patches(covers, facts)),
            "image_labels": torch.tensor([[f.thing, f.place, f.count - 1, f.time] for f in facts]),
            "text_labels": torch.tensor([labels_of(sentence) for sentence in sentences]),
            "ids": torch.from_numpy(encode(tokenizer, [sentence.text for sentence in sentences])),
            "fits": torch.tensor([[sentence.fits(fact) for fact in facts] for sentence in sentences]),
        }


def labels_of(sentence):
    """What the sentence says, as far as it is one thing."""
    count = min(sentence.counts) - 1 if len(sentence.counts) == 1 else SILENT
    time_of_day = min(sentence.times) if len(sentence.times) == 1 else SILENT
    return [SILENT if label is None else label for label in (sentence.thing, sentence.place, count, time_of_day)]


def share_of_patches(covers):
    """How much of each patch is covered by things: [n, patches]."""
    cells = SIDE // PATCH
    return covers.reshape(-1, cells, PATCH, cells, PATCH).mean((2, 4)).reshape(len(covers), -1)


def choose_patches(covers, share):
    """Indices of patches to look at: those with things, and of the others some by chance."""
    count = round(share * covers.shape[1])
    return (covers.clamp(max=0.5) + torch.rand_like(covers) * 0.5).topk(count, dim=1).indices


def name_patches(share, facts):
    """The thing in each patch, len(THINGS) for none, SILENT where it is neither."""
    things = np.array([fact.thing for fact in facts], np.int64)[:, None]
    return np.where(share > 0.3, things, np.where(share < 0.05, len(THINGS), SILENT))


class Teacher(nn.Module):
    """Reads facts from embeddings of either side, and things from patches; needed only while training."""

    def __init__(self, width=128):
        super().__init__()
        self.facts = nn.ModuleList(nn.Linear(EMBEDDING, n) for n in (len(THINGS), len(PLACES), len(COUNTS), 3))
        self.patches = nn.Linear(width, len(THINGS) + 1)

    def facts_loss(self, embeddings, labels):
        directions = F.normalize(embeddings, dim=-1) * 12
        losses = [F.cross_entropy(head(directions), labels[:, i], ignore_index=SILENT) for i, head in enumerate(self.facts)]
        return sum(loss for loss in losses if not torch.isnan(loss))

    def patches_loss(self, patches, labels):
        return F.cross_entropy(self.patches(patches).flatten(0, 1), labels.flatten(), ignore_index=SILENT)


def agreement_loss(images, texts, fits, scale):
    """CLIP's loss in both directions, where each sentence may fit several pictures."""
    logits = scale.exp().clamp(max=60) * F.normalize(texts, dim=-1) @ F.normalize(images, dim=-1).T
    fits = fits.float()
    by_text = -(F.log_softmax(logits, dim=1) * fits).sum(1) / fits.sum(1)
    by_image = -(F.log_softmax(logits, dim=0) * fits).sum(0) / fits.sum(0)
    return (by_text.mean() + by_image.mean()) / 2


def learning_rate(step, steps, peak):
    """Up, level, and down over the last third."""
    return peak * min(1, (step + 1) / 150, max(0.02, 3 * (1 - step / steps)))


def average(parameters, ranks):
    """Makes the gradients of all processes the same: their mean."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients])):
        gradient.copy_(mean.view_as(gradient) / ranks)


def open_run(options):
    """The model and all that training needs, from the checkpoint where one is to be resumed."""
    tokenizer = train_tokenizer()
    torch.manual_seed(SEED)
    model, teacher = build_model(tokenizer), Teacher()
    parameters = [*model.parameters(), *teacher.parameters()]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=True)
    first = 0
    if options.resume:
        state = torch.load(options.out / "checkpoint.pt")
        for part, name in ((model, "model"), (teacher, "teacher"), (optimizer, "optimizer")):
            part.load_state_dict(state[name])
        first = state["step"]
    return tokenizer, model, teacher, optimizer, first


def train(rank, options):
    """One of several processes with one thread each; each makes its own pictures, and they share their gradients."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{options.out.resolve()}/meeting", rank=rank, world_size=options.ranks)
    tokenizer, model, teacher, optimizer, first = open_run(options)
    parameters = [*model.parameters(), *teacher.parameters()]
    torch.manual_seed(SEED + rank + first)
    batches = make_batches(tokenizer, options.batch // options.ranks, (SEED, rank, first))
    started, running = time.time(), {}
    for step in range(first, options.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, options.steps, options.rate)
        # Most of the time goes into patches that show nothing but the place; three steps of four look at half of them.
        share = 1 if step % 4 == 0 or step > 0.85 * options.steps else 0.5
        losses = losses_of(model, teacher, next(batches), share, with_text=step >= options.vision_steps)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        average(parameters, options.ranks)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if rank > 0:
            continue
        for name, loss in losses.items():
            running[name] = 0.98 * running.get(name, loss.item()) + 0.02 * loss.item()
        if step % 50 == 49:
            figures = " ".join(f"{name} {value:.3f}" for name, value in running.items())
            print(f"{step + 1} {(time.time() - started) / 60:.1f} min {figures}", flush=True)
        if step % options.every == options.every - 1 or step == options.steps - 1:
            save(options.out, step + 1, model, teacher, optimizer)
            print(f"{step + 1} validation {evaluate_pairs(model, tokenizer, split_pairs()[1], seed=1)}", flush=True)


def save(folder, step, model, teacher, optimizer):
    state = {"model": model.state_dict(), "teacher": teacher.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
    torch.save(state, folder / "checkpoint.part")
    (folder / "checkpoint.part").replace(folder / "checkpoint.pt")


def losses_of(model, teacher, batch, share, with_text):
    kept = choose_patches(batch["covers"], share)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        images, patches = embed_vision(model, to_pixels(batch["pictures"]), kept)
        texts = embed_texts(model, batch["ids"]) if with_text else None
    images, patches = images.float(), patches.float()
    losses = {"image": teacher.facts_loss(images, batch["image_labels"]), "patch": teacher.patches_loss(patches, batch["patches"].gather(1, kept))}
    if texts is not None:
        losses["text"] = 0.3 * teacher.facts_loss(texts.float(), batch["text_labels"])
        losses["agree"] = agreement_loss(images, texts.float(), batch["fits"], model.logit_scale)
    return losses


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "build")
    parser.add_argument("--steps", type=int, default=850)
    parser.add_argument("--vision-steps", type=int, default=300, help="steps before the text side joins")
    parser.add_argument("--batch", type=int, default=144, help="pictures a step, over all processes")
    parser.add_argument("--ranks", type=int, default=6, help="processes; another number gives other weights")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--resume", action="store_true")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "meeting").unlink(missing_ok=True)
    multiprocessing.spawn(train, (chosen,), chosen.ranks)
