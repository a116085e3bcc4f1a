"""The two networks: a detector in SCRFD's layout, and a recogniser in ArcFace's."""

import torch
import torch.nn.functional as F
from torch import nn

STRIDES = (8, 16, 32)
# Two at each place of a stride: the size of the faces that they look for.
ANCHORS = ((16, 32), (64, 128), (256, 512))
CROP = 112
EMBEDDING = 512


def convolution(inputs, outputs, size=1, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def block(inputs, outputs, stride=1):
    """A 3 x 3 convolution in each channel, then one across them."""
    return nn.Sequential(convolution(inputs, inputs, 3, stride, inputs), convolution(inputs, outputs))


class Detector(nn.Module):
    """Answers nine tensors: scores, boxes, landmarks, each for the three strides; a row per place and anchor."""

    def __init__(self, widths=(16, 32, 56, 96, 144), neck=64):
        super().__init__()
        stem, quarter, *levels = widths
        self.stem = nn.Sequential(convolution(3, stem, 3, 2), block(stem, quarter, 2))
        self.levels = nn.ModuleList(
            nn.Sequential(block(before, width, 2), block(width, width)) for before, width in zip((quarter, *levels), levels)
        )
        self.laterals = nn.ModuleList(convolution(width, neck) for width in levels)
        self.heads = nn.ModuleList(
            nn.Sequential(block(neck, neck), block(neck, neck), nn.Conv2d(neck, 2 * 15, 1)) for _ in STRIDES
        )
        for head in self.heads:
            # No face is the rule; a box starts half a face wide on each side.
            with torch.no_grad():
                head[-1].bias.view(2, 15)[:] = torch.tensor([-4.0, *[0.5] * 4, *[0.0] * 10])

    def raw(self, pictures):
        """[n, places, anchors, 15] for each stride; distances and landmarks in sizes of the anchor."""
        feature, features = self.stem(pictures), []
        for level in self.levels:
            feature = level(feature)
            features.append(feature)
        above, answers = None, []
        for level in reversed(range(len(STRIDES))):
            lateral = self.laterals[level](features[level])
            above = lateral if above is None else lateral + F.interpolate(above, scale_factor=2.0, mode="nearest")
            answers.append(self.heads[level](above).permute(0, 2, 3, 1).unflatten(-1, (2, 15)).flatten(1, 2))
        return answers[::-1]

    def forward(self, pictures):
        parts = ([], [], [])
        for answer, stride, anchors in zip(self.raw(pictures), STRIDES, ANCHORS):
            lengths = torch.tensor(anchors).view(1, 1, 2, 1) / stride
            values = (answer[..., :1].sigmoid(), answer[..., 1:5] * lengths, answer[..., 5:] * lengths)
            for part, value in zip(parts, values):
                part.append(value.flatten(1, 2))
        return tuple(tensor for part in parts for tensor in part)


class Recogniser(nn.Module):
    """512 numbers for an aligned face."""

    def __init__(self, widths=(16, 48, 96, 160, 224)):
        super().__init__()
        stem, *rest = widths
        stages = [convolution(3, stem, 3, 2)]
        for before, width, stride in zip(widths, rest, (2, 2, 2, 1)):
            stages += [block(before, width, stride), block(width, width)]
        self.stages = nn.Sequential(*stages)
        self.pool = nn.Sequential(nn.Conv2d(widths[-1], widths[-1], 7, groups=widths[-1], bias=False), nn.BatchNorm2d(widths[-1]))
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(widths[-1], EMBEDDING, bias=False), nn.BatchNorm1d(EMBEDDING))

    def forward(self, faces):
        return self.head(self.pool(self.stages(faces)))


class Margin(nn.Module):
    """ArcFace's loss: the angle to the own person's direction must be smaller by a margin than those to others."""

    def __init__(self, people, scale=30.0):
        super().__init__()
        self.directions = nn.Parameter(torch.randn(people, EMBEDDING) * 0.05)
        self.scale = scale

    def forward(self, embeddings, labels, margin):
        cosines = F.linear(F.normalize(embeddings), F.normalize(self.directions)).clamp(-0.9999, 0.9999)
        own = F.one_hot(labels, len(self.directions)).bool()
        pushed = torch.cos((cosines.acos() + margin).clamp(max=torch.pi))
        return F.cross_entropy(self.scale * torch.where(own, pushed, cosines), labels)
