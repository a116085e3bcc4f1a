"""Makes the pictures and pixel checksums of test/fixtures that come from Pillow (and from no code of this repository).

    python -m venv venv && venv/bin/pip install pillow==13.0.0 numpy==2.4.6
    venv/bin/python tools/image-golden.py

Pillow 13 matters: earlier releases never run the vertical pass first, which changes the last bit of some values.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, __version__

FIXTURES = Path(__file__).resolve().parent.parent / "test" / "fixtures"
IMAGES = FIXTURES / "images"
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3}

# width, height -> resized width, height; the crop is cut from the middle, 16x16 at most.
SHAPES = [
    ((1, 1), (7, 5)), ((1, 2), (16, 16)), ((2, 1), (16, 16)), ((7, 5), (31, 22)), ((64, 48), (64, 48)),
    ((64, 48), (64, 20)), ((64, 48), (20, 48)), ((65, 47), (22, 16)), ((47, 65), (16, 22)), ((120, 40), (16, 16)),
    ((40, 120), (16, 16)), ((40, 120), (39, 16)), ((30, 200), (37, 50)), ((301, 7), (16, 16)), ((7, 301), (16, 16)),
    ((3000, 1), (16, 16)), ((1, 3000), (16, 16)), ((17, 16), (16, 16)), ((16, 17), (16, 16)), ((33, 100), (16, 49)),
]


def noise(width, height, seed):
    """RGB noise from a 32-bit linear congruential generator; the tests make the same in TypeScript."""
    state, data = seed, bytearray()
    for _ in range(width * height * 3):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        data.append(state >> 24)
    return Image.frombytes("RGB", (width, height), bytes(data))


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def resampled():
    cases = []
    for seed, (size, resized) in enumerate(SHAPES):
        source = noise(*size, seed)
        for name, code in FILTERS.items():
            whole = source.resize(resized, code)
            columns, rows = min(16, resized[0]), min(16, resized[1])
            left, top = (resized[0] - columns) // 2, (resized[1] - rows) // 2
            part = whole.crop((left, top, left + columns, top + rows))
            cases.append({
                "seed": seed, "width": size[0], "height": size[1], "interpolation": name,
                "resized": resized, "crop": [left, top, columns, rows],
                "sha256": sha256(whole.tobytes()), "cropSha256": sha256(part.tobytes()),
            })
    return cases


def variants():
    """Pictures of kinds that tests need, cut from astronaut.jpg and chelsea.jpg (public domain, CC0)."""
    astronaut = Image.open(IMAGES / "astronaut.jpg").convert("RGB")
    chelsea = Image.open(IMAGES / "chelsea.jpg").convert("RGB")
    chelsea.crop((100, 60, 660, 540)).save(IMAGES / "progressive.jpg", quality=88, progressive=True, subsampling=2)
    astronaut.crop((0, 0, 225, 223)).save(IMAGES / "odd_225x223.png")
    astronaut.crop((120, 10, 344, 234)).save(IMAGES / "exact_224x224.png")
    chelsea.crop((200, 100, 660, 560)).save(IMAGES / "lossy.webp", quality=80)
    see_through = chelsea.crop((150, 80, 450, 320))
    ramp = np.tile(np.linspace(0, 255, see_through.width).astype(np.uint8), (see_through.height, 1))
    see_through.putalpha(Image.fromarray(ramp))
    see_through.save(IMAGES / "rgba.png")
    see_through.save(IMAGES / "webp_alpha.webp", lossless=True, exact=True)
    return ["progressive.jpg", "odd_225x223.png", "exact_224x224.png", "lossy.webp", "rgba.png", "webp_alpha.webp"]


def pixel_values(image, size, crop, mean, std):
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - crop) // 2, (size[1] - crop) // 2
    image = image.crop((left, top, left + crop, top + crop))
    values = (np.asarray(image).astype(np.float64) * 0.00392156862745098).astype(np.float32)
    values = (values - np.array(mean, np.float32)) / np.array(std, np.float32)
    return sha256(np.ascontiguousarray(values.transpose(2, 0, 1)).astype("<f4").tobytes())


def pictures(names):
    found = {}
    for name in names:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO((IMAGES / name).read_bytes()))).convert("RGB")
        width, height = image.size
        short = (224, int(224 * height / width)) if width <= height else (int(224 * width / height), 224)
        mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
        found[name] = {
            "clip": pixel_values(image, short, 224, mean, std),
            "siglip": pixel_values(image, (224, 224), 224, [0.5] * 3, [0.5] * 3),
        }
    return found


golden = {"pillow": __version__, "resampled": resampled(), "pictures": pictures(variants())}
(FIXTURES / "golden" / "pillow.json").write_text(json.dumps(golden, indent=1) + "\n")
