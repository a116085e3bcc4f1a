"""Measures both networks on people that training never saw.

    python -m faces.evaluate build/faces
"""

import sys
from pathlib import Path

import numpy as np
import torch

from faces.crowds import Backgrounds, add_others, add_people, develop, draw_place, light_of
from faces.networks import ANCHORS, Detector, Recogniser, STRIDES
from faces.people import gallery_people, split_people
from faces.samples import align, to_pixels

SIDE = 640
# Those of the runner: the least score of a face, the overlap of two that are one, and the distances of one person.
THRESHOLD, MOST_OVERLAP, GREEDY, LINKAGE = 0.5, 0.4, 0.42, 0.6
# Taken from all scores before they become probabilities, so that 0.77 becomes 0.5: a cat's face is no face. Chosen on the
# photos of the gallery.
CAUTION = 1.2


def load(network, folder, name):
    """A trained network as it was left by train.py."""
    state = torch.load(folder / f"{name}.pt")["task"]
    network.load_state_dict({key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")})
    return network.eval()


def load_detector(folder):
    """The detector with scores that are a little more careful than the trained ones."""
    detector = load(Detector(), folder, "detector")
    with torch.no_grad():
        for head in detector.heads:
            head[-1].bias.view(len(ANCHORS[0]), 15)[:, 0] -= CAUTION
    return detector


def scene(people, count, rng):
    """A photo of 640 x 480 in the detector's square, with its faces."""
    picture, light = draw_place(rng).astype(np.float32), light_of(rng)
    add_others(picture, int(rng.integers(0, 5)), light, rng)
    sizes = np.sort(np.exp(rng.uniform(np.log(24), np.log(min(300, 440 / np.sqrt(max(1, count)))), count)))[::-1]
    faces = add_people(picture, [people[place] for place in rng.choice(len(people), count, replace=False)], sizes / 2, light, rng)
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    square[:480] = develop(picture, rng)
    return square, faces


@torch.no_grad()
def detect(detector, square):
    """Boxes, scores and landmarks that are left after suppression, best first."""
    answers = [answer[0].numpy() for answer in detector(to_pixels(square[None], 128))]
    found = []
    for level, stride in enumerate(STRIDES):
        scores, boxes, points = (answers[part * 3 + level] for part in range(3))
        for index in np.flatnonzero(scores[:, 0] >= THRESHOLD):
            cell = index // len(ANCHORS[level])
            corner = np.array((cell % (SIDE // stride), cell // (SIDE // stride))) * stride
            left, top, right, bottom = boxes[index] * stride
            box = np.array((corner[0] - left, corner[1] - top, corner[0] + right, corner[1] + bottom))
            found.append((float(scores[index, 0]), box, corner + points[index].reshape(5, 2) * stride))
    kept = []
    for candidate in sorted(found, key=lambda one: -one[0]):
        if all(overlap(candidate[1], other[1]) <= MOST_OVERLAP for other in kept):
            kept.append(candidate)
    return kept


def overlap(one, other):
    """Intersection over union."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = np.prod(np.maximum(0, sides))
    return shared / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared)


def report_detector(detector, people, photos=400):
    """Prints recall, precision, and how far landmarks are off; and answers the aligned faces with their people."""
    rng = np.random.default_rng(11)
    true = found = right = 0
    distances, crops = [], []
    for _ in range(photos):
        square, faces = scene(people, 0 if rng.random() < 0.2 else int(rng.integers(1, 9)), rng)
        detections = detect(detector, square)
        true, found = true + len(faces), found + len(detections)
        for _score, box, points in detections:
            best = max(faces, key=lambda face: overlap(face.box, box), default=None)
            if best is None or overlap(best.box, box) < 0.5:
                continue
            faces = [face for face in faces if face is not best]
            right += 1
            span = np.hypot(*(best.points[1] - best.points[0]))
            distances.append(np.hypot(*(points - best.points).T).mean() / span)
            crops.append((best.person, np.asarray(align(square, points))))
    print(f"{photos} photos, {true} faces: recall {right / true:.1%}, precision {right / found:.1%} (overlap 0.5, score {THRESHOLD})")
    print(f"landmarks off by {np.mean(distances):.1%} of the distance of the eyes (19 of 20 by less than {np.quantile(distances, 0.95):.1%})")
    return crops


@torch.no_grad()
def embed(recogniser, crops):
    vectors = torch.cat([recogniser(to_pixels(np.stack(crops[start : start + 64]), 127.5)) for start in range(0, len(crops), 64)])
    return torch.nn.functional.normalize(vectors).numpy().astype(np.float64)


def report_pairs(title, vectors, labels):
    """Prints how well one distance tells the same person from others, over all pairs."""
    one, other = np.triu_indices(len(labels), 1)
    same = labels[one] == labels[other]
    distances = 1 - (vectors @ vectors.T)[one, other]
    thresholds = np.linspace(0.05, 1, 96)
    rates = [(np.mean(distances[same] <= t) + np.mean(distances[~same] > t)) / 2 for t in thresholds]
    print(
        f"{title}: {len(set(labels.tolist()))} people, {len(labels)} faces; same {distances[same].mean():.3f} apart"
        f" (19 of 20 below {np.quantile(distances[same], 0.95):.3f}), others {distances[~same].mean():.3f}"
        f" (19 of 20 above {np.quantile(distances[~same], 0.05):.3f}); right at {LINKAGE}:"
        f" {np.mean(distances[same] <= LINKAGE):.1%} of the same, {np.mean(distances[~same] > LINKAGE):.1%} of others;"
        f" best balanced {max(rates):.1%} at {thresholds[int(np.argmax(rates))]:.2f};"
        f" adjusted Rand index: greedy {rand_index(labels, greedy(vectors)):.3f}, linkage {rand_index(labels, linkage(vectors)):.3f}"
    )


def greedy(vectors):
    """The first cluster whose centre is near, as the runner's method of that name."""
    sums, clusters = [], []
    for vector in vectors:
        near = [place for place, total in enumerate(sums) if 1 - total @ vector / np.linalg.norm(total) <= GREEDY]
        clusters.append(near[0] if near else len(sums))
        if near:
            sums[near[0]] = sums[near[0]] + vector
        else:
            sums.append(vector)
    return np.array(clusters)


def linkage(vectors):
    """Average linkage, the plain way."""
    groups = [[place] for place in range(len(vectors))]
    sums = vectors.copy()
    while len(groups) > 1:
        sizes = np.array([len(group) for group in groups])
        distances = 1 - sums @ sums.T / np.outer(sizes, sizes)
        np.fill_diagonal(distances, np.inf)
        one, other = sorted(np.unravel_index(np.argmin(distances), distances.shape))
        if distances[one, other] > LINKAGE:
            break
        groups[one] += groups.pop(other)
        sums[one] += sums[other]
        sums = np.delete(sums, other, 0)
    clusters = np.empty(len(vectors), int)
    for cluster, group in enumerate(groups):
        clusters[group] = cluster
    return clusters


def rand_index(labels, clusters):
    """Adjusted for chance: 1 for the true people."""
    _, one = np.unique(labels, return_inverse=True)
    table = np.zeros((one.max() + 1, clusters.max() + 1))
    np.add.at(table, (one, clusters), 1)

    def pairs(counts):
        return (counts * (counts - 1) / 2).sum()

    rows, columns = pairs(table.sum(1)), pairs(table.sum(0))
    chance = rows * columns / pairs(table.sum())
    return (pairs(table) - chance) / ((rows + columns) / 2 - chance)


def report(folder):
    detector, recogniser = load_detector(folder), load(Recogniser(), folder, "recogniser")
    _, known, new = split_people()
    crops = report_detector(detector, known + new)
    vectors = embed(recogniser, [crop for _, crop in crops])
    labels = np.array([(known + new).index(person) for person, _ in crops])
    gallery = labels < len(gallery_people())
    for title, chosen in (
        ("people of the gallery", gallery), ("known heads in new tones", labels < len(known)), ("new heads", labels >= len(known))
    ):
        report_pairs(title, vectors[chosen], labels[chosen])


if __name__ == "__main__":
    report(Path(sys.argv[1]))
