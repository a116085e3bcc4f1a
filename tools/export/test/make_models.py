"""Makes tiny random models as transformers saves them, and says what torch makes of pictures and texts with them.

    python make_models.py <folder> '{"pictures": ["a.jpg"], "texts": ["a cat"], "newTokens": 16}'

Prints `{"vectors": {"<model>": {"pictures": [[…]], "texts": [[…]]}}, "captions": [{"ids": […], "text": "…"}]}`. The tokenizers
are those of test/fixtures.
"""

import json
import os
import shutil
import sys
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import torch
from PIL import Image
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
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

from tiny_blip import describe, make_blip
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


def make_captioner(folder: Path, pictures: list[str], new_tokens: int) -> list[dict]:
    """Saves the captioner of test/fixtures as transformers does; answers its captions."""
    seed = json.loads((FIXTURES / "golden" / "captions.json").read_text(encoding="utf-8"))["seed"]
    tokenizer = AutoTokenizer.from_pretrained(FIXTURES / "tokenizers" / "bert-wordpiece")
    model, processor = make_blip(seed, tokenizer), BlipImageProcessorPil(size=SQUARE)
    for part in (model, tokenizer, processor):
        part.save_pretrained(folder)
    tensors = [processor(Image.open(file).convert("RGB"), return_tensors="pt")["pixel_values"] for file in pictures]
    return [describe(model, tokenizer, pixels, new_tokens) for pixels in tensors]


def spoil(out: Path) -> None:
    """Models that must be refused."""
    (out / "other").mkdir()
    (out / "other" / "config.json").write_text('{"model_type": "bert"}')
    weights = load_file(out / "clip" / "model.safetensors")
    captioner = load_file(out / "blip" / "model.safetensors")
    query = "text_decoder.bert.encoder.layer.1.crossattention.self.query.weight"
    norm = "vision_model.post_layernorm.weight"
    spoilt = {
        "no-projection": {name: values for name, values in weights.items() if name != "visual_projection.weight"},
        # More than the largest number of a half, 65504.
        "too-large": {**weights, "visual_projection.weight": weights["visual_projection.weight"] * 1e6},
        "no-tokenizer": weights,
        "no-preprocessor": weights,
        "blip-no-cross": {name: values for name, values in captioner.items() if name != query},
        "blip-no-number": {**captioner, query: captioner[query] * float("nan")},
        "blip-too-large": {**captioner, norm: captioner[norm] * 1e6},
    }
    for name, tensors in spoilt.items():
        shutil.copytree(out / ("blip" if name.startswith("blip") else "clip"), out / name)
        save_file(tensors, out / name / "model.safetensors", metadata={"format": "pt"})
    (out / "no-tokenizer" / "tokenizer.json").unlink()
    (out / "no-preprocessor" / "preprocessor_config.json").unlink()


def main(out: Path, pictures: list[str], texts: list[str], new_tokens: int) -> None:
    for name, (make, factors) in MODELS.items():
        save(out / name, make, factors)
    captions = make_captioner(out / "blip", pictures, new_tokens)
    spoil(out)
    vectors = {name: values_of(out / name, pictures, texts) for name in MODELS}
    print(json.dumps({"vectors": vectors, "captions": captions}))


if __name__ == "__main__":
    request = json.loads(sys.argv[2])
    main(Path(sys.argv[1]), request["pictures"], request["texts"], request["newTokens"])
