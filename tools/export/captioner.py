"""What is exported of a BLIP captioner: the image encoder, and one step of the text decoder with its key/value cache."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from failure import ExportError
from source import Source
from towers import Tower, pictures_of

Cache = dict[str, Tensor]

MOST_DIFFERENCE = 1e-3
STEPS = 5


class _Encoder(nn.Module):
    """The picture's states, and the keys and values that each decoder layer makes of them: they never change."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.vision = model.vision_model
        self.crosses = nn.ModuleList(layer.crossattention.self for layer in model.text_decoder.bert.encoder.layer)

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        # The weights may be halves; inputs and outputs stay float32.
        states = self.vision(pixel_values=pixel_values.to(self.vision.dtype)).last_hidden_state
        pairs = [_heads(linear(states), cross) for cross in self.crosses for linear in (cross.key, cross.value)]
        return (states.float(), *(pair.float() for pair in pairs))


class _Step(nn.Module):
    """One id more per sentence. The sentence is at its first id where the cache is empty."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.bert = model.text_decoder.bert
        self.head = model.text_decoder.cls

    def forward(self, input_ids: Tensor, past: Cache) -> tuple[Tensor, ...]:
        length = past["past_key_values.0.decoder.key"].shape[2]
        positions = torch.full_like(input_ids, 0) + length
        hidden = self.bert.embeddings(input_ids=input_ids, position_ids=positions)
        presents = []
        for index, layer in enumerate(self.bert.encoder.layer):
            own, cross = layer.attention, layer.crossattention
            old = [past[name].to(hidden.dtype) for name in _names("past_key_values", index, "decoder")]
            new = [_heads(linear(hidden), own.self) for linear in (own.self.key, own.self.value)]
            key, value = (torch.cat(pair, dim=2) for pair in zip(old, new, strict=True))
            presents += [key.float(), value.float()]
            hidden = own.output(_attend(hidden, own.self, key, value), hidden)
            key, value = (past[name].to(hidden.dtype) for name in _names("past_key_values", index, "encoder"))
            hidden = cross.output(_attend(hidden, cross.self, key, value), hidden)
            hidden = layer.output(layer.intermediate(hidden), hidden)
        return (self.head(hidden).float(), *presents)


def _heads(states: Tensor, attention: nn.Module) -> Tensor:
    """[batch, length, heads x width] to [batch, heads, length, width]."""
    shape = (*states.shape[:-1], attention.num_attention_heads, attention.attention_head_size)
    return states.view(shape).transpose(1, 2)


def _attend(hidden: Tensor, attention: nn.Module, key: Tensor, value: Tensor) -> Tensor:
    query = _heads(attention.query(hidden), attention)
    scores = query @ key.transpose(-1, -2) / attention.attention_head_size**0.5
    context = scores.softmax(dim=-1) @ value
    return context.transpose(1, 2).flatten(2)


def _names(prefix: str, layer: int, side: str) -> tuple[str, str]:
    return f"{prefix}.{layer}.{side}.key", f"{prefix}.{layer}.{side}.value"


def parts_of(source: Source) -> Iterator[Tower]:
    """The encoder and the decoder. Raises ExportError where the decoder's steps don't add up to what transformers gives."""
    model = source.model
    layers = range(model.config.text_config.num_hidden_layers)
    crosses = [name for layer in layers for name in _names("present", layer, "encoder")]
    encoder = _Encoder(model)
    pictures = pictures_of(model.config.vision_config)
    yield Tower(
        name="vision_model",
        module=encoder,
        outputs=("last_hidden_state", *crosses),
        axes={"pixel_values": {0: "batch_size"}},
        samples=pictures,
    )
    owns = [name for layer in layers for name in _names("past_key_values", layer, "decoder")]
    kept = [name for layer in layers for name in _names("past_key_values", layer, "encoder")]
    yield Tower(
        name="text_decoder_with_past_model",
        module=_Step(model),
        outputs=("logits", *(name.replace("past_key_values", "present") for name in owns)),
        axes={
            "input_ids": {0: "batch_size"},
            **{name: {0: "batch_size", 2: "past_length"} for name in owns},
            **{name: {0: "batch_size"} for name in kept},
        },
        samples=tuple(_sentences(source, encoder, pictures[-1]["pixel_values"])),
    )


def _sentences(source: Source, encoder: _Encoder, pixels: Tensor) -> Iterator[dict]:
    """Steps of random sentences, alone and by three; each step's logits are held against the whole sentence's."""
    model = source.model
    text = model.config.text_config
    step = _Step(model)
    random = torch.Generator().manual_seed(20261122)
    with torch.no_grad():
        for batch in (pixels[:1], pixels):
            states, *crosses = encoder(batch)
            names = [name for layer in range(text.num_hidden_layers) for name in _names("past_key_values", layer, "encoder")]
            cache = _empty(text, len(batch)) | dict(zip(names, crosses, strict=True))
            ids = torch.full((len(batch), 1), text.bos_token_id)
            for _ in range(STEPS):
                feeds = {"input_ids": ids[:, -1:], "past": cache}
                yield feeds
                logits, *presents = step(**feeds)
                _compare(logits, model.text_decoder(input_ids=ids, encoder_hidden_states=states).logits[:, -1:])
                cache = cache | dict(zip(_empty(text, 1), presents, strict=True))
                ids = torch.cat([ids, torch.randint(text.vocab_size, (len(batch), 1), generator=random)], dim=1)


def _empty(text, rows: int) -> Cache:
    heads = text.num_attention_heads
    nothing = torch.zeros(rows, heads, 0, text.hidden_size // heads)
    return {name: nothing for layer in range(text.num_hidden_layers) for name in _names("past_key_values", layer, "decoder")}


def _compare(given: Tensor, right: Tensor) -> None:
    difference = float((given - right).abs().max() / right.abs().max().clamp(min=1))
    # NaN is not near enough either.
    if not difference <= MOST_DIFFERENCE:
        raise ExportError(f"The decoder step by step is too far from transformers' own (largest difference {difference:.1e}).")
