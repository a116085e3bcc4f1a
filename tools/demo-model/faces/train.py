"""Trains one of the two networks on pictures that are made as it goes; no picture is seen twice.

    python -m faces.train detector --out build/faces
    python -m faces.train recogniser --out build/faces
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from faces.crowds import Backgrounds, crowd
from faces.networks import Detector, Margin, Recogniser
from faces.people import split_people
from faces.samples import FACE, UNSURE, face_crop, targets_of, to_pixels
from world import SEED

SIDE = 320


class DetectorTask(nn.Module):
    batch, rate, steps = 16, 3e-3, 3000

    def __init__(self, _people):
        super().__init__()
        self.network = Detector()

    def draw(self, backgrounds, people, rng, progress):
        # Small pictures teach more in the same time; at the end come some as the runner shows them.
        count, side = (self.batch, SIDE) if progress < 0.75 else (self.batch // 4, 2 * SIDE)
        pictures, faces = zip(*(crowd(backgrounds, people, side, rng) for _ in range(count)))
        targets = [targets_of(some, side) for some in faces]
        return to_pixels(np.stack(pictures), 128), [
            tuple(torch.from_numpy(np.stack([target[level][part] for target in targets])) for part in range(2)) for level in range(3)
        ]

    def losses(self, pictures, targets, _progress):
        scores, labels, errors = [], [], []
        for answer, (label, values) in zip(self.network.raw(pictures), targets):
            scores.append(answer[..., 0].flatten())
            labels.append(label.flatten())
            is_face = label == FACE
            errors.append(F.smooth_l1_loss(answer[is_face][:, 1:], values[is_face], beta=0.05, reduction="none"))
        score, label, error = torch.cat(scores), torch.cat(labels), torch.cat(errors)
        sure, target = label != UNSURE, (label == FACE).float()
        hardness = (target - score.sigmoid()).abs()
        # Twice for what is no face: an animal in an album is worse than a face that is missed.
        found = F.binary_cross_entropy_with_logits(score, target, reduction="none") * hardness * (2 - target)
        losses = {"score": found[sure], "box": error[:, :4], "points": error[:, 4:]}
        return {name: loss.sum() / max(1, len(error)) for name, loss in losses.items()}


class RecogniserTask(nn.Module):
    batch, rate, steps = 96, 3e-3, 900

    def __init__(self, people):
        super().__init__()
        self.network, self.margin = Recogniser(), Margin(len(people))

    def draw(self, backgrounds, people, rng, _progress):
        labels = rng.permutation(len(people))[: self.batch]
        faces = [face_crop(backgrounds, people[label], rng) for label in labels]
        return to_pixels(np.stack(faces), 127.5), torch.from_numpy(labels)

    def losses(self, faces, labels, progress):
        # The full margin from the start would keep a fresh network from learning at all.
        return {"margin": self.margin(self.network(faces), labels, margin=0.5 * min(1, progress * 3))}


TASKS = {"detector": DetectorTask, "recogniser": RecogniserTask}


def learning_rate(step, steps, peak):
    """Up, then down along half a wave."""
    return float(peak * min(1, (step + 1) / 50, 0.505 + 0.495 * np.cos(np.pi * step / steps)))


def train(options):
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    people, _, _ = split_people()
    task = TASKS[options.network](people).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(task.parameters(), lr=task.rate, weight_decay=0.02)
    first, file = 0, options.out / f"{options.network}.pt"
    if options.resume:
        state = torch.load(file)
        task.load_state_dict(state["task"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    rng = np.random.default_rng((SEED, list(TASKS).index(options.network), first))
    backgrounds, running, started = Backgrounds(rng, 60), {}, time.time()
    for step in range(first, task.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, task.steps, task.rate)
        progress = step / task.steps
        losses = task.losses(*task.draw(backgrounds, people, rng, progress), progress)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(task.parameters(), 5.0)
        optimizer.step()
        for name, loss in losses.items():
            running[name] = 0.95 * running.get(name, loss.item()) + 0.05 * loss.item()
        if step % 25 == 24:
            print(step + 1, f"{(time.time() - started) / 60:.1f} min", *(f"{name} {value:.4f}" for name, value in running.items()), flush=True)
        if step % options.every == options.every - 1 or step == task.steps - 1:
            state = {"task": task.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            torch.save(state, file.with_suffix(".part"))
            file.with_suffix(".part").replace(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=TASKS)
    parser.add_argument("--out", type=Path, default=Path("build/faces"))
    parser.add_argument("--threads", type=int, default=1, help="another number may give other weights")
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    parser.add_argument("--resume", action="store_true")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    train(chosen)
