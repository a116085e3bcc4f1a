"""What the networks are trained and measured on: pictures with targets for the detector, aligned faces for the recogniser."""

import numpy as np
import torch
from PIL import Image

from faces.crowds import add_others, add_people, develop, light_of
from faces.networks import ANCHORS, CROP, STRIDES

# Eyes, nose and corners of the mouth in an aligned face.
TEMPLATE = np.array(((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)))
NO_FACE, UNSURE, FACE = 0, -1, 1


def to_pixels(pictures, spread):
    """Bytes [n, h, w, 3] as a network reads them."""
    return (torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() - 127.5) / spread


def targets_of(faces, side):
    """For each stride: what is at each place and anchor, and boxes and landmarks in sizes of the anchor."""
    targets = []
    for stride, anchors in zip(STRIDES, ANCHORS):
        cells = side // stride
        rows, columns = np.mgrid[:cells, :cells] * stride
        corners = np.stack((columns, rows), -1).reshape(-1, 2).astype(np.float32)
        labels = np.zeros((cells * cells, 2), np.float32)
        values = np.zeros((cells * cells, 2, 14), np.float32)
        for face in faces:
            middle, size = (face.box[:2] + face.box[2:]) / 2, np.sqrt(np.prod(face.box[2:] - face.box[:2]))
            away = np.abs(corners - middle).max(1)
            for anchor, length in enumerate(anchors):
                octaves = abs(np.log2(size / length))
                near = away <= max(0.16 * size, 0.55 * stride)
                around = (away <= 0.4 * size) & (labels[:, anchor] != FACE) if octaves < 1 else near[:0]
                if octaves < 1:
                    labels[around, anchor] = UNSURE
                if octaves > 0.55:
                    continue
                labels[near, anchor] = FACE
                box = np.concatenate((corners[near] - face.box[:2], face.box[2:] - corners[near]), 1)
                points = face.points.reshape(1, 10) - np.tile(corners[near], 5)
                values[near, anchor] = np.concatenate((box, points), 1) / length
        targets.append((labels, values))
    return targets


def align(picture, points):
    """The face with these landmarks, turned and scaled onto the template (Umeyama's similarity without reflection)."""
    source, target = points @ (1, 1j), TEMPLATE @ (1, 1j)
    centred = source - source.mean()
    factor = (centred.conj() * (target - target.mean())).sum() / (np.abs(centred) ** 2).sum()
    back = 1 / factor
    shift = source.mean() - back * target.mean()
    # Pillow asks where each pixel comes from; its pixels have their middle at half.
    x, y = shift.real, shift.imag
    matrix = (back.real, -back.imag, x + 0.5 - 0.5 * back.real + 0.5 * back.imag, back.imag, back.real, y + 0.5 - 0.5 * back.imag - 0.5 * back.real)
    return Image.fromarray(picture).transform((CROP, CROP), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def face_crop(backgrounds, person, rng, sizes=(22, 240)):
    """One aligned face of a person, with landmarks as imprecise as a detector's."""
    span = float(np.exp(rng.uniform(*np.log(sizes)))) / 2
    side = int(span * 3.4)
    picture, light = backgrounds.cut(side), light_of(rng)
    if rng.random() < 0.3:
        add_others(picture, 1, light, rng)
    (face,) = add_people(picture, [person], [span], light, rng)
    points = face.points + rng.normal(0, 0.05, (5, 2)) * span
    return np.asarray(align(develop(picture, rng, blur=0.3 + span / 40), points))
