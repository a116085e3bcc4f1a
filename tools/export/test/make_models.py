"""Makes tiny random models as transformers saves them, and says what torch makes of pictures and texts with them.

    python make_models.py <folder> '{"pictures": ["a.jpg"], "texts": ["a cat"]}'

Prints `{"<model>": {"pictures": [[…]], "texts": [[…]]}}`. The tokenizers are those of test/fixtures.
"""

import json
import os
import shutil
import sys
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoTokenizer,
    ChineseCLIPConfig,
    ChineseCLIPImageProcessorPil,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)
from torch_values import values_of

FIXTURES = Path(__file__).resolve().parents[3] / "test" / "fixtures"
SIDE = 64
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION = {**SIZES, "image_size": SIDE, "patch_size": 16}
SQUARE = {"height": SIDE, "width": SIDE}


def clip(has_own_end: bool = False):
    """By default with the end token 2, as OpenAI's files have it: then the model pools at the highest id."""
    tokenizer = AutoTokenizer.from_pretrained(FIXTURES / "tokenizers" / "clip-bpe")
    if has_own_end:
        # Pooling at the highest id would be wrong from here on.
        tokenizer.add_tokens(["<|mark|>"])
    text = {**SIZES, "vocab_size": len(tokenizer), "max_position_embeddings": 77, "pad_token_id": tokenizer.pad_token_id}
    text |= {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id if has_own_end else 2}
    config = CLIPConfig(text_config=text, vision_config=VISION, projection_dim=48)
    processor = CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SQUARE)
    return CLIPModel(config), tokenizer, processor


def chinese_clip():
    tokenizer = AutoTokenizer.from_pretrained(FIXTURES / "tokenizers" / "bert-wordpiece")
    text = {**SIZES, "vocab_size": len(tokenizer), "max_position_embeddings": 80, "pad_token_id": tokenizer.pad_token_id}
    config = ChineseCLIPConfig(text_config=text, vision_config=VISION, projection_dim=48)
    processor = ChineseCLIPImageProcessorPil(size=SQUARE, do_center_crop=False)
    return ChineseCLIPModel(config), tokenizer, processor


def siglip():
    tokenizer = PreTrainedTokenizerFast.from_pretrained(FIXTURES / "models" / "siglip-tiny")
    text = {**SIZES, "vocab_size": len(tokenizer), "max_position_embeddings": 64, "projection_size": 32}
    text |= {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": tokenizer.eos_token_id}
    return SiglipModel(SiglipConfig(text_config=text, vision_config=VISION)), tokenizer, SiglipImageProcessorPil(size=SQUARE)


# With the factors by which the weights of the towers are enlarged: fresh ones are so small that every input gives nearly the
# same vector, and no mistake would show.
MODELS = {
    "clip": (clip, {"vision": 4, "text": 4}),
    "clip-own-end": (lambda: clip(has_own_end=True), {"vision": 4, "text": 4}),
    "chinese-clip": (chinese_clip, {"vision": 4, "text": 12}),
    "siglip": (siglip, {"vision": 2, "text": 2}),
}


def save(folder: Path, make, factors: dict[str, float]) -> None:
    torch.manual_seed(20261122)
    model, tokenizer, processor = make()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() > 1:
                weights.mul_(factors["text" if name.startswith("text") else "vision"])
    for part in (model, tokenizer, processor):
        part.save_pretrained(folder)


def spoil(out: Path) -> None:
    """Models that must be refused."""
    (out / "other").mkdir()
    (out / "other" / "config.json").write_text('{"model_type": "bert"}')
    weights = load_file(out / "clip" / "model.safetensors")
    spoilt = {
        "no-projection": {name: values for name, values in weights.items() if name != "visual_projection.weight"},
        # More than the largest number of a half, 65504.
        "too-large": {**weights, "visual_projection.weight": weights["visual_projection.weight"] * 1e6},
        "no-tokenizer": weights,
        "no-preprocessor": weights,
    }
    for name, tensors in spoilt.items():
        shutil.copytree(out / "clip", out / name)
        save_file(tensors, out / name / "model.safetensors", metadata={"format": "pt"})
    (out / "no-tokenizer" / "tokenizer.json").unlink()
    (out / "no-preprocessor" / "preprocessor_config.json").unlink()


def main(out: Path, wanted: dict[str, list[str]]) -> None:
    for name, (make, factors) in MODELS.items():
        save(out / name, make, factors)
    spoil(out)
    print(json.dumps({name: values_of(out / name, **wanted) for name in MODELS}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
