"""What is exported of a two-tower model: two modules, their names, and the inputs that they are checked with."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from source import Source

# A value is a tensor by its input's name, or several of them under the name of the argument that takes them together.
Feeds = dict[str, Tensor | dict[str, Tensor]]

TEXTS = [
    "a photo of a cat",
    "two dogs in the snow at night, my bicycle isn't here, and the train is late again",
    "一张海边日落的照片",
    "a lantern by the river, " * 60,
]


@dataclass(frozen=True)
class Tower:
    """One graph to be: `module(**feeds)` gives `outputs`, a lone one as it is and several as a tuple."""

    name: str
    """File name without the dtype's ending: `vision_model`, `text_model`."""
    module: nn.Module
    outputs: tuple[str, ...]
    axes: dict[str, dict[int, str]]
    """Per input the axes that may have any length, with their names."""
    samples: tuple[Feeds, ...]
    """Inputs of batch 1 and 3. The last is the widest; it is what the graph is traced with."""

    def values(self, feeds: Feeds) -> tuple[Tensor, ...]:
        """What torch gives for a sample, by output."""
        given = self.module(**feeds)
        return given if isinstance(given, tuple) else (given,)


def flat(feeds: Feeds) -> dict[str, Tensor]:
    """The tensors of a sample by the names of the graph's inputs."""
    tensors: dict[str, Tensor] = {}
    for name, value in feeds.items():
        tensors |= value if isinstance(value, dict) else {name: value}
    return tensors


class _Vision(nn.Module):
    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor) -> Tensor:
        # The weights may be halves; inputs and outputs stay float32.
        pixels = pixel_values.to(self.model.dtype)
        return self.model.get_image_features(pixel_values=pixels).pooler_output.float()


class _Text(nn.Module):
    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        mask = {} if attention_mask is None else {"attention_mask": attention_mask}
        return self.model.get_text_features(input_ids=input_ids, **mask).pooler_output.float()


def towers_of(source: Source) -> Iterator[Tower]:
    """The vision tower and the text tower. Embeddings are projected, and not normalised."""
    yield Tower(
        name="vision_model",
        module=_Vision(source.model),
        outputs=("image_embeds",),
        axes={"pixel_values": {0: "batch_size"}},
        samples=pictures_of(source.model.config.vision_config),
    )
    # SigLIP looks at every place without a mask: it was trained with texts padded to one length, and takes no other.
    is_dynamic = source.family != "siglip"
    axes = {0: "batch_size", 1: "sequence_length"} if is_dynamic else {0: "batch_size"}
    samples = _texts(source)
    yield Tower(
        name="text_model",
        module=_Text(source.model),
        outputs=("text_embeds",),
        axes={name: axes for name in samples[-1]},
        samples=samples,
    )


def pictures_of(config) -> tuple[Feeds, ...]:
    """Normalised pixels: noise, a slow wave, and squares."""
    side = config.image_size
    random = torch.Generator().manual_seed(20261122)
    # Some configurations leave the number of channels out; no family here has another.
    shape = (getattr(config, "num_channels", 3), side, side)
    places = torch.arange(shape[0] * side * side, dtype=torch.float32).reshape(shape)
    squares = ((places // (side * 8) + places % side // 8) % 2) * 3 - 1.5
    pictures = torch.stack([torch.randn(shape, generator=random), torch.sin(places / 997) * 1.5, squares])
    singles = [picture[None] for picture in pictures]
    return tuple({"pixel_values": batch} for batch in (*singles, pictures))


def _texts(source: Source) -> tuple[Feeds, ...]:
    """Texts of several lengths one by one, then three padded ones, then three of random tokens."""
    longest = source.model.config.text_config.max_position_embeddings
    limit = min(longest, source.tokenizer.model_max_length)
    # A padded batch shows whether the mask is heeded, and whether CLIP pools at the end token.
    padding = "max_length" if source.family == "siglip" else True
    names = ("input_ids", "attention_mask") if source.family == "chinese_clip" else ("input_ids",)

    def encode(texts: list[str]) -> Feeds:
        encoded = source.tokenizer(texts, padding=padding, truncation=True, max_length=limit, return_tensors="pt")
        return {name: encoded[name].to(torch.int64) for name in names}

    padded = encode([TEXTS[0], TEXTS[3], TEXTS[2]])
    return (*(encode([text]) for text in TEXTS), padded, _shuffled(encode([TEXTS[3]] * 3), source))


def _shuffled(feeds: Feeds, source: Source) -> Feeds:
    """Other tokens in every place but those of special ones."""
    special = torch.tensor(source.tokenizer.all_special_ids)
    ordinary = torch.tensor(sorted(set(range(source.model.config.text_config.vocab_size)) - set(special.tolist())))
    random = torch.Generator().manual_seed(20261122)
    ids = feeds["input_ids"]
    drawn = ordinary[torch.randint(len(ordinary), ids.shape, generator=random)]
    return {**feeds, "input_ids": torch.where(torch.isin(ids, special), ids, drawn)}
