"""Writes a CLIP of full size with random weights and a small vocabulary, for the benches against torch.

usage: make_model.py <vit-b-32|vit-l-14> <folder with tokenizer.json> <out folder>
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

# The defaults of transformers are those of ViT-B/32.
SIZES = {
    "vit-b-32": {"text_config": {}, "vision_config": {}, "projection_dim": 512},
    "vit-l-14": {
        "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "projection_dim": 768},
        "vision_config": {
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_attention_heads": 16,
            "num_hidden_layers": 24,
            "patch_size": 14,
            "projection_dim": 768,
        },
        "projection_dim": 768,
    },
}

name, source, out = sys.argv[1:]
size = SIZES[name]
tokenizer = AutoTokenizer.from_pretrained(source)
torch.manual_seed(20261122)
# The end token's own id and not the old 2, which means "the largest id of the text".
config = CLIPConfig(
    text_config=size["text_config"]
    | {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    },
    vision_config=size["vision_config"],
    projection_dim=size["projection_dim"],
)
CLIPModel(config).save_pretrained(out)
tokenizer.save_pretrained(out)
(Path(out) / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING, indent=2))
