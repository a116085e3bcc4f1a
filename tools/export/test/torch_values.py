"""What transformers and torch themselves make of pictures and texts: no code of the exporter is used."""

from pathlib import Path

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, PreTrainedTokenizerFast


def values_of(folder: Path, pictures: list[str], texts: list[str]) -> dict[str, list[list[float]]]:
    """The projected embeddings, one by one, not normalised."""
    model = AutoModel.from_pretrained(folder).eval()
    is_siglip = model.config.model_type == "siglip"
    tokenizer = (PreTrainedTokenizerFast if is_siglip else AutoTokenizer).from_pretrained(folder)
    processor = AutoImageProcessor.from_pretrained(folder)

    def embed_picture(file: str) -> list[float]:
        pixels = processor(Image.open(file).convert("RGB"), return_tensors="pt")
        return model.get_image_features(**pixels).pooler_output[0].tolist()

    def embed_text(text: str) -> list[float]:
        padding = "max_length" if is_siglip else False
        ids = tokenizer([text], padding=padding, truncation=True, return_tensors="pt")
        return model.get_text_features(**ids).pooler_output[0].tolist()

    with torch.no_grad():
        return {"pictures": [embed_picture(file) for file in pictures], "texts": [embed_text(text) for text in texts]}
