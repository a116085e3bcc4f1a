"""Captions as they are made in Python most often: Pillow, transformers' processor, and `generate` in torch.

usage: generate.py <model folder> <photo folder> <batch> <warm-up> <count> <new tokens>

Prints as JSON: photos/s from file to ids, photos/s of `generate` alone, the peak memory in MiB, and the sentences.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, BlipForConditionalGeneration

folder, photos = sys.argv[1:3]
batch, warm_up, count, new_tokens = map(int, sys.argv[3:])
processor, tokenizer = AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
model = BlipForConditionalGeneration.from_pretrained(folder).eval()
files = sorted(Path(photos).iterdir())


def describe(start: int, end: int) -> tuple[float, list[str]]:
    """Seconds in `generate`, and the sentence of each photo."""
    seconds, texts = 0.0, []
    for first in range(start, end, batch):
        pictures = [Image.open(files[index % len(files)]).convert("RGB") for index in range(first, min(first + batch, end))]
        pixels = processor(pictures, return_tensors="pt")["pixel_values"]
        begun = time.perf_counter()
        with torch.inference_mode():
            made = model.generate(pixel_values=pixels, max_new_tokens=new_tokens, do_sample=False, num_beams=1)
        seconds += time.perf_counter() - begun
        # The first id is none of the tokenizer's.
        texts += tokenizer.batch_decode(made[:, 1:], skip_special_tokens=True)
    return seconds, texts


describe(0, warm_up)
begun = time.perf_counter()
seconds, texts = describe(warm_up, warm_up + count)
whole = time.perf_counter() - begun
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({"whole": count / whole, "model": count / seconds, "memory": memory, "texts": texts}))
