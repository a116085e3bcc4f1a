"""Writes a BLIP of the size of blip-image-captioning-base with random weights, for the bench of captions.

usage: make_model.py <folder with tokenizer.json> <out folder>
"""

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import BlipConfig, BlipForConditionalGeneration, PreTrainedTokenizerFast

# The last two ids of the model are beyond the tokenizer's own, as in the real files.
VOCABULARY = 30_522
PREPROCESSING = {
    "image_processor_type": "BlipImageProcessor",
    "size": {"height": 384, "width": 384},
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
    "resample": 3,
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "do_convert_rgb": True,
    "rescale_factor": 1 / 255,
}


def full_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The small tokenizer with words that nobody writes, up to the size of BERT's vocabulary: sorting out costs what it costs there."""
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    words = content["model"]["vocab"]
    words |= {f"unused{number}": number for number in range(len(words), VOCABULARY)}
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(content)), **special)


def main(source: Path, out: Path) -> None:
    tokenizer = full_tokenizer(source)
    text = {"vocab_size": VOCABULARY + 2, "bos_token_id": VOCABULARY, "num_attention_heads": 12}
    text |= {"sep_token_id": tokenizer.sep_token_id, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(20261122)
    # The default of the vision side, 1e-10, makes numbers that processors are slow with.
    config = BlipConfig(text_config=text, vision_config={"initializer_range": 0.02})
    BlipForConditionalGeneration(config).save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING, indent=2))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
