"""Writes what OpenCV makes of small pictures of noise: the expectations of the tests of resizing and warping.

    pip install opencv-python-headless==4.10.0.84
    python tools/face-golden.py
"""

import hashlib
import json
import pathlib

import cv2
import numpy as np
from noise import noise

FILE = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "golden" / "opencv.json"

SIZES = [
    (7, 5, 64, 45), (64, 45, 7, 5), (100, 75, 64, 48), (33, 33, 64, 64), (64, 64, 64, 64), (128, 96, 64, 48),
    (128, 48, 64, 48), (64, 96, 64, 48), (1, 1, 32, 32), (1, 9, 7, 64), (500, 3, 64, 1), (1000, 750, 64, 48),
    (641, 479, 320, 239), (97, 200, 31, 64),
]  # fmt: skip
WARPS = [
    # width, height, then the matrix (a, b, tx, ty) of a similarity: photo to crop
    (60, 50, 1.7, 0.1, -30.8, -2.4), (300, 200, 0.4, -0.2, 10.5, 30.25), (40, 40, 3.0, 0.0, -5.0, -5.0),
    (200, 200, -0.5, 0.5, 60.0, 20.0), (20, 20, 0.9, 0.3, 200.0, 200.0), (500, 400, 0.25, 0.01, -12.3, -4.56),
    (90, 80, 1.0, 0.0, 0.0, 0.0), (9, 9, 12.5, -3.3, 0.0, 0.0),
]  # fmt: skip


def sha256(pixels):
    return hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()


def warp(width, height, a, b, tx, ty):
    matrix = np.array([[a, -b, tx], [b, a, ty]])
    return cv2.warpAffine(noise(width, height), matrix, (112, 112), borderValue=0.0)


golden = {
    "opencv": cv2.__version__,
    "resize": [
        {"from": [w, h], "to": [tw, th], "sha256": sha256(cv2.resize(noise(w, h), (tw, th)))} for w, h, tw, th in SIZES
    ],
    "warp": [
        {"size": [w, h], "similarity": {"a": a, "b": b, "tx": tx, "ty": ty}, "sha256": sha256(warp(w, h, a, b, tx, ty))}
        for w, h, a, b, tx, ty in WARPS
    ],
}
FILE.write_text(json.dumps(golden, indent=1) + "\n")
