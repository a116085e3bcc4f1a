"""The same loop with onnxruntime in place of torch, as photo servers have it: Pillow and numpy, one photo a run.

usage: onnxruntime_loop.py <model folder>
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from gallery import jobs, path_of, post_embedding

folder = Path(sys.argv[1])
settings = json.loads((folder / "preprocessor_config.json").read_text())
side = settings["size"]["shortest_edge"]
mean, std = (np.array(settings[name], dtype=np.float32) for name in ("image_mean", "image_std"))
session = onnxruntime.InferenceSession(folder / "onnx" / "vision_model.onnx", providers=["CPUExecutionProvider"])


def pixels_of(path: str) -> np.ndarray:
    picture = Image.open(path).convert("RGB")
    shorter = min(picture.size)
    picture = picture.resize([int(side * length / shorter) for length in picture.size], Image.Resampling.BICUBIC)
    left, top = ((length - side) // 2 for length in picture.size)
    cropped = np.asarray(picture.crop((left, top, left + side, top + side)), dtype=np.float32)
    return ((cropped / 255 - mean) / std).transpose(2, 0, 1)[np.newaxis]


for [job] in jobs():
    [[embedding]] = session.run(["image_embeds"], {"pixel_values": pixels_of(path_of(job))})
    embedding /= np.linalg.norm(embedding)
    post_embedding(job, embedding.tolist(), source="onnxruntime", model_name=folder.name, device="cpu")
