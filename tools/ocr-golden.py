"""Writes what OpenCV and Clipper make of small pictures and maps: the expectations of the tests of text boxes and crops.

    pip install opencv-python-headless==4.10.0.84 pyclipper==1.4.0
    python tools/ocr-golden.py
"""

import base64
import json
import math
import pathlib

import cv2
import numpy as np
import pyclipper
from noise import noise

FILE = pathlib.Path(__file__).parent.parent / "test" / "fixtures" / "golden" / "text-boxes.json"

CROPS = [
    # width, height of the picture, then the corners: upright, tilted, in perspective, over the border, written downwards
    (60, 40, [(5, 6), (45, 6), (45, 22), (5, 22)]),
    (60, 40, [(10, 14), (44, 4), (48, 18), (14, 28)]),
    (80, 60, [(8, 9), (60, 4), (66, 30), (5, 25)]),
    (50, 30, [(0, 0), (49, 3), (49, 29), (0, 22)]),
    (40, 90, [(10, 8), (24, 10), (22, 80), (8, 78)]),
]  # fmt: skip

MAPS = [
    # width, height of the map; width, height of the canvas; rectangles: centre, size, degrees, probability
    (96, 64, 96, 64, [(48, 30, 60, 14, 0, 0.9)]),
    (160, 96, 320, 192, [(80, 48, 100, 16, 20, 0.8), (20, 80, 24, 8, 0, 0.6)]),
    (128, 128, 100, 90, [(64, 64, 20, 90, 0, 0.95), (20, 20, 30, 10, 45, 0.7), (110, 110, 4, 3, 0, 0.9)]),
    (96, 96, 192, 192, [(10, 48, 60, 20, -30, 0.85), (90, 90, 30, 12, 10, 0.45)]),
    (200, 64, 400, 64, [(50, 20, 70, 12, 0, 0.9), (150, 20, 70, 12, 0, 0.9), (100, 50, 150, 10, 3, 0.75)]),
    (128, 48, 128, 48, [(60, 12.5, 80, 1.4, 0, 0.9), (60, 34, 80, 3, 0, 0.9)]),
]  # fmt: skip


def draw(width, height, rectangles):
    """Plain arithmetic, so that every language makes the same map."""
    values = np.full((height, width), 0.05, np.float32)
    for cx, cy, across, down, degrees, probability in rectangles:
        cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        for y in range(height):
            for x in range(width):
                u, v = (x - cx) * cos + (y - cy) * sin, (y - cy) * cos - (x - cx) * sin
                if abs(u) <= across / 2 and abs(v) <= down / 2:
                    values[y, x] = probability
    return values


def in_order(points):
    """Top left, top right, bottom right, bottom left."""
    by_x = sorted(([float(x), float(y)] for x, y in points), key=lambda point: point[0])
    left, right = sorted(by_x[:2], key=lambda point: point[1]), sorted(by_x[2:], key=lambda point: point[1])
    return [left[0], right[0], right[1], left[1]]


def rectangle_round(points):
    centre, size, angle = cv2.minAreaRect(np.array(points, np.float32).reshape(-1, 1, 2))
    return np.array(in_order(cv2.boxPoints((centre, size, angle)))), min(size)


def boxes_of(values, width, height):
    """The regions above 0.3, each as a rectangle whose mean is at least 0.5, grown by area x 1.6 / girth."""
    mask = cv2.dilate((values > 0.3).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    boxes = []
    for contour in contours:
        core, shorter = rectangle_round(contour)
        inside = cv2.fillPoly(np.zeros(values.shape, np.uint8), [core.astype(np.int32)], 1)
        score = cv2.mean(values, inside)[0]
        if shorter < 3 or score < 0.5:
            continue
        sides = [math.dist(core[i], core[(i + 1) % 4]) for i in range(4)]
        offset = pyclipper.PyclipperOffset()
        offset.AddPath(core.tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
        grown, shorter = rectangle_round(offset.Execute(sides[0] * sides[1] * 1.6 / sum(sides))[0])
        if shorter < 5:
            continue
        scale = np.array([width / values.shape[1], height / values.shape[0]])
        box = np.clip(np.round(grown * scale), 0, [width - 1, height - 1])
        boxes.append({"corners": in_order(box), "score": round(score, 4)})
    return boxes


def crop_of(picture, corners):
    across = [math.dist(corners[0], corners[1]), math.dist(corners[2], corners[3])]
    down = [math.dist(corners[0], corners[3]), math.dist(corners[1], corners[2])]
    width, height = int(max(across)), int(max(down))
    to = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(np.array(corners, np.float32), to)
    crop = cv2.warpPerspective(picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.rot90(crop) if height / width >= 1.5 else crop


def crop_entry(width, height, corners):
    crop = crop_of(noise(width, height), corners)
    return {
        "from": [width, height],
        "corners": corners,
        "size": [crop.shape[1], crop.shape[0]],
        "pixels": base64.b64encode(np.ascontiguousarray(crop).tobytes()).decode(),
    }


golden = {
    "opencv": cv2.__version__,
    "crops": [crop_entry(*crop) for crop in CROPS],
    "maps": [
        {
            "map": [w, h],
            "canvas": [width, height],
            "rectangles": rectangles,
            "boxes": boxes_of(draw(w, h, rectangles), width, height),
        }
        for w, h, width, height, rectangles in MAPS
    ],
}
FILE.write_text(json.dumps(golden, indent=1) + "\n")
