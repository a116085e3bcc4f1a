"""A tiny BLIP captioner of random weights, and what transformers and torch themselves say of pictures with it."""

import torch
from transformers import BlipConfig, BlipForConditionalGeneration

SIDE = 64


def make_blip(seed: int, tokenizer) -> BlipForConditionalGeneration:
    """Weights so large that different pictures get different sentences, and some of these end by themselves."""
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    # As in the real files, the first id is beyond the tokenizer's own.
    text = {**sizes, "vocab_size": len(tokenizer) + 2, "encoder_hidden_size": 32, "max_position_embeddings": 80}
    text |= {"bos_token_id": len(tokenizer), "sep_token_id": tokenizer.sep_token_id, "pad_token_id": tokenizer.pad_token_id}
    vision = {**sizes, "image_size": SIDE, "patch_size": 16, "initializer_range": 0.02}
    torch.manual_seed(seed)
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision)).eval()
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if weights.dim() > 1:
                weights.mul_(8 * (4 if "crossattention" in name else 1))
        model.text_decoder.cls.predictions.bias[tokenizer.sep_token_id] += 1.5
    return model


def describe(model, tokenizer, pixels: torch.Tensor, limit: int) -> dict:
    with torch.no_grad():
        made = model.generate(pixel_values=pixels, max_new_tokens=limit, do_sample=False, num_beams=1)
        ids = made[0].tolist()
        states = model.vision_model(pixel_values=pixels).last_hidden_state
        logits = model.text_decoder(input_ids=made[:, :-1], encoder_hidden_states=states).logits[0]
    best = logits.topk(2, dim=-1).values
    return {
        "ids": ids,
        "text": tokenizer.decode([i for i in ids if i < len(tokenizer)], skip_special_tokens=True).strip(),
        "margin": float((best[:, 0] - best[:, 1]).min()),
    }
