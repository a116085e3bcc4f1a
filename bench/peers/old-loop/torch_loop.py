"""The loop that clip-runner replaces: Pillow, transformers' processor and CLIP in torch, a photo at a time or in batches.

usage: torch_loop.py <model folder> <photos at a time>
"""

import os
import sys

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

from gallery import jobs, path_of, post_embedding

folder, at_most = sys.argv[1], int(sys.argv[2])
processor = CLIPProcessor.from_pretrained(folder)
model = CLIPModel.from_pretrained(folder).eval()

for batch in jobs(at_most):
    pictures = [Image.open(path_of(job)).convert("RGB") for job in batch]
    inputs = processor(images=pictures, return_tensors="pt")
    with torch.inference_mode():
        features = model.get_image_features(**inputs).pooler_output
    features = features / features.norm(dim=-1, keepdim=True)
    for job, embedding in zip(batch, features.tolist(), strict=True):
        post_embedding(job, embedding, source="old_loop", model_name=folder, device="cpu")
