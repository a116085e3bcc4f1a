"""Makes test/fixtures/models/joint-tiny: one CLIP of random weights whose towers are in one ONNX graph, as the usual
exporters write it, in three dtypes, and what torch makes of fixed inputs (golden.json).

    pip install torch transformers onnx onnxscript onnxruntime sympy
    python tools/joint-golden.py
"""

import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16
from transformers import CLIPConfig, CLIPModel

FOLDER = Path(__file__).parent.parent / "test" / "fixtures" / "models" / "joint-tiny"
# The ids of tokenizers/clip-bpe; the end token is the highest.
VOCABULARY, END, SIDE = 997, 996, 32

text = {"vocab_size": VOCABULARY, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 77, "bos_token_id": 995, "eos_token_id": END,
        "pad_token_id": END}
vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
          "image_size": SIDE, "patch_size": 8}


class Joint(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, pixel_values, attention_mask):
        made = self.model(input_ids=input_ids, pixel_values=pixel_values, attention_mask=attention_mask)
        return made.logits_per_image, made.logits_per_text, made.text_embeds, made.image_embeds


def shorten(model):
    """Names are most of so small a file."""
    kept = {value.name for value in [*model.graph.input, *model.graph.output]}
    short = {}
    rename = lambda name: name if name in kept or name == "" else short.setdefault(name, f"v{len(short)}")
    for node in model.graph.node:
        node.name = ""
        node.input[:] = [rename(name) for name in node.input]
        node.output[:] = [rename(name) for name in node.output]
    for weight in model.graph.initializer:
        weight.name = rename(weight.name)
    del model.graph.value_info[:]
    return model


def main():
    torch.manual_seed(7)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=20,
                                 attn_implementation="eager")).eval()
    for parameter in model.parameters():
        # The usual random weights are so small that every input gives nearly the same vector.
        parameter.data = torch.randn_like(parameter) * 0.3 if parameter.dim() > 1 else parameter.data
    ids = torch.tensor([[995, 12, 340, 77, END, END], [995, 5, 8, 600, 601, END]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]])
    # The exporter would take equal sizes for one axis: texts and pictures differ in number.
    pixels = torch.tensor([np.sin(i * 0.37) * 1.2 for i in range(3 * 3 * SIDE * SIDE)], dtype=torch.float32)
    pixels = pixels.reshape(3, 3, SIDE, SIDE)
    (FOLDER / "onnx").mkdir(parents=True, exist_ok=True)
    file = FOLDER / "onnx" / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Joint(model), (ids, pixels, mask), file, dynamo=False, opset_version=17,
            input_names=["input_ids", "pixel_values", "attention_mask"],
            output_names=["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"],
            dynamic_axes={
                "input_ids": {0: "text_batch", 1: "sequence"}, "attention_mask": {0: "text_batch", 1: "sequence"},
                "pixel_values": {0: "image_batch"}, "text_embeds": {0: "text_batch"},
                "image_embeds": {0: "image_batch"}, "logits_per_image": {0: "image_batch", 1: "text_batch"},
                "logits_per_text": {0: "text_batch", 1: "image_batch"},
            },
        )
    onnx.save(shorten(onnx.load(file)), file)
    quantize_dynamic(file, FOLDER / "onnx" / "model_quantized.onnx", weight_type=QuantType.QUInt8)
    onnx.save(convert_float_to_float16(onnx.load(file), keep_io_types=False), FOLDER / "onnx" / "model_fp16.onnx")
    config = {"model_type": "clip", "projection_dim": 20,
              "text_config": {"model_type": "clip_text_model", **text},
              "vision_config": {"model_type": "clip_vision_model", **vision}}
    preprocess = {"do_resize": True, "size": {"shortest_edge": SIDE}, "resample": 3, "do_center_crop": True,
                  "crop_size": {"height": SIDE, "width": SIDE}, "do_rescale": True, "do_normalize": True,
                  "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "do_convert_rgb": True}
    with torch.no_grad():
        made = model(input_ids=ids, pixel_values=pixels, attention_mask=mask)
    golden = {"ids": ids.tolist(), "mask": mask.tolist(),
              "text_embeds": made.text_embeds.tolist(), "image_embeds": made.image_embeds.tolist()}
    for name, value in [("config", config), ("preprocessor_config", preprocess)]:
        (FOLDER / f"{name}.json").write_text(json.dumps(value, indent=2) + "\n")
    (FOLDER / "golden.json").write_text(json.dumps(golden) + "\n")


main()
