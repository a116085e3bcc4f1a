"""Makes test/fixtures/models/blip-tiny, a BLIP captioner of random weights that tools/export has exported, and what
transformers and torch themselves say of pictures with it (test/fixtures/golden/captions.json).

    pip install -r tools/export/requirements.txt
    python tools/caption-golden.py
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import torch

torch.set_num_threads(1)
from PIL import Image, ImageOps
from transformers import AutoTokenizer
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "export" / "test"))
from tiny_blip import SIDE, describe, make_blip

FIXTURES = ROOT / "test" / "fixtures"
GOAL = FIXTURES / "models" / "blip-tiny"
LIMIT = 16
PICTURES = [
    "astronaut.jpg", "chelsea.jpg", "rocket.jpg", "brick.jpg", "camera.jpg", "hubble.jpg", "cat_eye.jpg", "gravel.webp",
    "small_150x100.png", "portrait_301x640.jpg", "exif_6.jpg", "one_1x1.png", "wide_2000x20.png",
]  # fmt: skip
# No choice of the most likely id may be so close that rounding decides it.
LEAST_MARGIN = 0.002


def main() -> None:
    tokenizer = AutoTokenizer.from_pretrained(FIXTURES / "tokenizers" / "bert-wordpiece")
    processor = BlipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    pictures = {}
    for name in PICTURES:
        with Image.open(FIXTURES / "images" / name) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
        pictures[name] = torch.as_tensor(processor(upright, return_tensors="pt")["pixel_values"])
    for seed in range(20261122, 20261422):
        model = make_blip(seed, tokenizer)
        captions = {name: describe(model, tokenizer, pixels, LIMIT) for name, pixels in pictures.items()}
        lengths = {len(caption["ids"]) for caption in captions.values()}
        is_varied = len({caption["text"] for caption in captions.values()}) > 8 and len(lengths) >= 5
        if is_varied and max(lengths) == LIMIT + 1 and min(caption["margin"] for caption in captions.values()) > LEAST_MARGIN:
            break
    else:
        raise SystemExit("no seed gave captions that are varied and sure")
    with tempfile.TemporaryDirectory() as scratch:
        for part in (model, tokenizer, processor):
            part.save_pretrained(scratch)
        shutil.rmtree(GOAL, ignore_errors=True)
        exporter = ROOT / "tools" / "export" / "export_blip.py"
        subprocess.run([sys.executable, exporter, scratch, GOAL, "--dtype", "fp32"], check=True)
    golden = {"seed": seed, "maxNewTokens": LIMIT, "captions": captions}
    (FIXTURES / "golden" / "captions.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, caption in captions.items():
        print(name, len(caption["ids"]), f"{caption['margin']:.4f}", caption["text"])


if __name__ == "__main__":
    main()
