"""Makes test/fixtures/models/vit-gpt2-tiny, a ViT-GPT2 captioner of random weights in the layout of Optimum (an encoder, and a
decoder whose branches with and without a cache are merged in one graph), and what transformers and torch themselves say of
pictures with it (test/fixtures/golden/vit-gpt2.json).

    pip install -r tools/export/requirements.txt
    python tools/vit-gpt2-golden.py
"""

import json
import os
import shutil
import tempfile
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import onnx
import torch

torch.set_num_threads(1)
from PIL import Image
from torch import Tensor, nn
from transformers import AutoTokenizer, GPT2Config, ViTConfig, VisionEncoderDecoderConfig, VisionEncoderDecoderModel
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from merged_decoder import export, merge

FIXTURES = Path(__file__).resolve().parent.parent / "test" / "fixtures"
GOAL = FIXTURES / "models" / "vit-gpt2-tiny"
SIDE, LIMIT, LAYERS, HEADS, WIDTH = 64, 12, 2, 4, 32
PICTURES = ["astronaut.jpg", "chelsea.jpg", "rocket.jpg", "brick.jpg", "hubble.jpg", "small_150x100.png"]
# No choice of the most likely id may be so close that rounding decides it.
LEAST_MARGIN = 0.002
PASTS = [f"past_key_values.{layer}.{kind}" for layer in range(LAYERS) for kind in ("key", "value")]
PRESENTS = [name.replace("past_key_values", "present") for name in PASTS]


class Encoder(nn.Module):
    def __init__(self, model: nn.Module):
        super().__init__()
        self.encoder = model.encoder

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.encoder(pixel_values=pixel_values).last_hidden_state


class Decoder(nn.Module):
    def __init__(self, model: nn.Module):
        super().__init__()
        self.decoder = model.decoder

    def forward(self, input_ids: Tensor, encoder_hidden_states: Tensor, past: dict[str, Tensor] | None = None) -> tuple:
        pairs = [] if past is None else [(past[PASTS[2 * layer]], past[PASTS[2 * layer + 1]]) for layer in range(LAYERS)]
        cache = EncoderDecoderCache(DynamicCache(pairs or None), DynamicCache())
        length = 0 if past is None else past[PASTS[0]].shape[2]
        positions = torch.zeros_like(input_ids) + length
        made = self.decoder(
            input_ids=input_ids, encoder_hidden_states=encoder_hidden_states, past_key_values=cache, position_ids=positions, use_cache=True
        )
        layers = made.past_key_values.self_attention_cache.layers
        return (made.logits, *(value for layer in layers for value in (layer.keys, layer.values)))


def make(seed: int, tokenizer) -> VisionEncoderDecoderModel:
    sizes = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS}
    vision = ViTConfig(**sizes, image_size=SIDE, patch_size=16)
    # As GPT-2 has it, one token begins and ends every sentence.
    end = tokenizer.eos_token_id
    ids = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end}
    text = GPT2Config(vocab_size=len(tokenizer), n_positions=40, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, add_cross_attention=True, **ids)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(vision, text, decoder_start_token_id=end, **ids)
    torch.manual_seed(seed)
    model = VisionEncoderDecoderModel(config).eval()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() > 1:
                weights.mul_(8 * (4 if "crossattention" in name else 1))
        # Or hardly a sentence would end by itself.
        model.decoder.transformer.wte.weight[tokenizer.eos_token_id] *= 4
    return model


def describe(model: VisionEncoderDecoderModel, tokenizer, pixels: Tensor) -> dict:
    with torch.no_grad():
        ids = model.generate(pixel_values=pixels, max_new_tokens=LIMIT, do_sample=False, num_beams=1)
        logits = model(pixel_values=pixels, decoder_input_ids=ids[:, :-1]).logits[0]
    best = logits.topk(2, dim=-1).values
    text = tokenizer.decode(ids[0], skip_special_tokens=True).strip()
    return {"ids": ids[0].tolist(), "text": text, "margin": float((best[:, 0] - best[:, 1]).min())}


def write_graphs(model: VisionEncoderDecoderModel, pixels: Tensor, folder: Path) -> None:
    folder.mkdir(parents=True)
    states = model.encoder(pixel_values=pixels).last_hidden_state.detach()
    rows = {0: "batch_size"}
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "graph.onnx")
        encoder = export(Encoder(model), {"pixel_values": pixels}, ["last_hidden_state"], {"pixel_values": rows}, file)
        onnx.save(encoder, folder / "encoder_model.onnx")
        feeds = {"input_ids": torch.zeros(len(pixels), 1, dtype=torch.int64), "encoder_hidden_states": states}
        axes = {"input_ids": rows, "encoder_hidden_states": rows}
        without = export(Decoder(model), feeds, ["logits", *PRESENTS], axes, file)
        past = {name: torch.randn(len(pixels), HEADS, 3, WIDTH // HEADS) for name in PASTS}
        axes |= {name: {0: "batch_size", 2: "past_sequence_length"} for name in PASTS}
        with_past = export(Decoder(model), {**feeds, "past": past}, ["logits", *PRESENTS], axes, file)
        onnx.save(merge(without, with_past), folder / "decoder_model_merged.onnx")


def main() -> None:
    tokenizer = AutoTokenizer.from_pretrained(FIXTURES / "tokenizers" / "clip-bpe")
    processor = ViTImageProcessorPil(size={"height": SIDE, "width": SIDE})
    pictures = {}
    for name in PICTURES:
        with Image.open(FIXTURES / "images" / name) as picture:
            pictures[name] = torch.as_tensor(processor(picture.convert("RGB"), return_tensors="pt")["pixel_values"])
    for seed in range(20261122, 20261422):
        model = make(seed, tokenizer)
        captions = {name: describe(model, tokenizer, pixels) for name, pixels in pictures.items()}
        lengths = {len(caption["ids"]) for caption in captions.values()}
        is_varied = len({caption["text"] for caption in captions.values()}) >= 4 and len(lengths) >= 3
        if is_varied and min(caption["margin"] for caption in captions.values()) > LEAST_MARGIN:
            break
    else:
        raise SystemExit("no seed gave captions that are varied and sure")
    shutil.rmtree(GOAL, ignore_errors=True)
    write_graphs(model, torch.cat(list(pictures.values())[:3]), GOAL / "onnx")
    (GOAL / "config.json").write_text(json.dumps(model.config.to_dict(), indent=2) + "\n", encoding="utf-8")
    for part in (tokenizer, processor):
        part.save_pretrained(GOAL)
    golden = {"seed": seed, "maxNewTokens": LIMIT, "captions": captions}
    (FIXTURES / "golden" / "vit-gpt2.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, caption in captions.items():
        print(name, len(caption["ids"]), f"{caption['margin']:.4f}", caption["text"])


if __name__ == "__main__":
    main()
