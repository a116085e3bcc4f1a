"""Reads a model with all that belongs to it from a folder or from the hub."""

import re
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoTokenizer,
    BlipForConditionalGeneration,
    ChineseCLIPModel,
    CLIPModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    SiglipModel,
)

from failure import ExportError, UsageError

# By `model_type` of config.json. SigLIP 2 of fixed resolution calls itself "siglip", too.
FAMILIES = {"clip": CLIPModel, "chinese_clip": ChineseCLIPModel, "siglip": SiglipModel}
CAPTIONERS = {"blip": BlipForConditionalGeneration}


@dataclass(frozen=True)
class Source:
    """A model in float32 and evaluation mode, and what prepares its inputs."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    image_processor: object

    @property
    def family(self) -> str:
        return self.model.config.model_type


def read_source(name: str, revision: str | None = None, families: dict[str, type[PreTrainedModel]] = FAMILIES) -> Source:
    """Reads the model of a folder or a hub repository. Code that a repository brings along is never run.

    Raises UsageError where there is no such folder, ExportError where the model is not one of `families`, or is not whole.
    """
    looks_local = name.startswith((".", "/", "~"))
    folder = Path(name).expanduser()
    if looks_local and not folder.is_dir():
        raise UsageError(f"There is no folder {name}.")
    at = str(folder) if folder.is_dir() else name
    model = _read_model(at, revision, families)
    tokenizer = _read_tokenizer(at, revision)
    _refuse_foreign(at, tokenizer, model)
    return Source(model, tokenizer, _read_image_processor(at, revision, model))


def _read_model(at: str, revision: str | None, families: dict[str, type[PreTrainedModel]]) -> PreTrainedModel:
    try:
        config = AutoConfig.from_pretrained(at, revision=revision)
    except (OSError, ValueError) as error:
        raise ExportError(f"The model {at} can't be read: {first_line(error)}") from error
    family = families.get(config.model_type)
    if family is None:
        known = ", ".join(families)
        raise ExportError(f'{at} is a "{config.model_type}", which this exporter does not know: expected one of {known}.')
    try:
        # Float32 and plain attention: what the graphs are compared with should be as exact as it can be.
        model, report = family.from_pretrained(
            at, revision=revision, dtype="float32", attn_implementation="eager", output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ExportError(f"The weights of {at} can't be read: {first_line(error)}") from error
    _refuse_missing(at, report)
    if family is SiglipModel and not config.vision_config.vision_use_head:
        raise ExportError(f"{at} has no pooling head (vision_use_head is false), so there is no embedding of a picture.")
    return model.eval()


def _refuse_missing(at: str, report: dict) -> None:
    """transformers fills weights that a checkpoint lacks with random numbers: half a model would look like a whole one."""
    # The pooler of Chinese-CLIP's text side is in no checkpoint, and no embedding goes through it.
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("text_model.pooler."))
    odd = sorted(str(key) for key in report["mismatched_keys"])
    if missing or odd:
        names = ", ".join((missing + odd)[:3])
        raise ExportError(
            f"{at} has no weights for {len(missing) + len(odd)} of its parts ({names}). Expected a whole model: a checkpoint "
            "of one tower, or without projections, can't be exported."
        )


def _read_tokenizer(at: str, revision: str | None) -> PreTrainedTokenizerFast:
    tokenizer, reason = None, "its class has none"
    try:
        tokenizer = AutoTokenizer.from_pretrained(at, revision=revision)
    except (ImportError, OSError, ValueError) as error:
        reason = first_line(error)
    if tokenizer is not None and tokenizer.is_fast:
        return tokenizer
    # SigLIP's class is a slow one, but its repositories have a tokenizer.json beside.
    try:
        return PreTrainedTokenizerFast.from_pretrained(at, revision=revision)
    except (ImportError, OSError, ValueError) as error:
        raise ExportError(f"{at} has no fast tokenizer, so there is no tokenizer.json: {reason}") from error


def _refuse_foreign(at: str, tokenizer: PreTrainedTokenizerFast, model: PreTrainedModel) -> None:
    """Where files are missing, transformers makes up a tokenizer of a few tokens without a word."""
    known = model.config.text_config.vocab_size
    if known / 2 < len(tokenizer) <= known:
        return
    raise ExportError(
        f"{at} has no fast tokenizer of its own: what transformers finds there has {len(tokenizer)} tokens, the model {known}. "
        "Expected a tokenizer.json, or the vocabulary that it is made of."
    )


def _read_image_processor(at: str, revision: str | None, model: PreTrainedModel) -> object:
    try:
        processor = AutoImageProcessor.from_pretrained(at, revision=revision)
    except (ImportError, OSError, ValueError) as error:
        raise ExportError(f"{at} doesn't say how pictures are prepared (preprocessor_config.json): {first_line(error)}") from error
    side = model.config.vision_config.image_size
    size = dict(processor.crop_size if getattr(processor, "do_center_crop", False) else processor.size)
    if {size.get("height"), size.get("width")} != {side}:
        raise ExportError(f"{at} wants pictures of {side}x{side}, but its preprocessor_config.json makes {size}.")
    return processor


def first_line(error: Exception) -> str:
    """The gist of an error of a library, which may go on for pages, in colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
