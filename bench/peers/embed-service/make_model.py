"""Writes a CLIP of the size of ViT-B/32 with random weights and a small vocabulary, for the bench of the embed service.

usage: make_model.py <folder with tokenizer.json> <out folder>
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoTokenizer, CLIPConfig, CLIPModel

PREPROCESSING = {
    "image_processor_type": "CLIPImageProcessor",
    "size": {"shortest_edge": 224},
    "crop_size": {"height": 224, "width": 224},
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "do_resize": True,
    "do_center_crop": True,
    "do_rescale": True,
    "do_normalize": True,
    "do_convert_rgb": True,
    "rescale_factor": 1 / 255,
}

source, out = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(source)
torch.manual_seed(20261122)
# The end token's own id and not the old 2, which means "the largest id of the text".
config = CLIPConfig(
    text_config={
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    },
    projection_dim=512,
)
CLIPModel(config).save_pretrained(out)
tokenizer.save_pretrained(out)
(Path(out) / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING, indent=2))
