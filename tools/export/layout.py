"""The folder that is made: written beside its goal under another name, and renamed when all of it is there."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from failure import ExportError, UsageError

if TYPE_CHECKING:
    # What it imports takes seconds, and a goal that can't be used should be told at once.
    from source import Source


@contextmanager
def folder_in_the_making(goal: Path, is_forced: bool) -> Iterator[Path]:
    """A folder beside the goal that takes its name in the end, or is removed where something goes wrong.

    Raises UsageError where the goal exists, unless that is forced; even then only what looks like a model is replaced.
    Raises ExportError where the disk is full, or the folder can't be written.
    """
    refuse_goal(goal, is_forced)
    try:
        goal.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{goal.name}-", dir=goal.parent))
        try:
            yield folder
            # mkdtemp makes a folder for its owner alone.
            folder.chmod(0o755)
            _put_in_place(folder, goal)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise ExportError(f"{goal} can't be written: {error.strerror or error}. Nothing was left behind.") from error


def refuse_goal(goal: Path, is_forced: bool) -> None:
    if not goal.exists():
        return
    if not is_forced:
        raise UsageError(f"{goal} exists already. Name another folder, or replace it with --force.")
    if not goal.is_dir() or (any(goal.iterdir()) and not (goal / "config.json").is_file()):
        raise UsageError(f"{goal} is not a model's folder (it has no config.json), so it is not replaced. Name another folder.")


def _put_in_place(folder: Path, goal: Path) -> None:
    if not goal.exists():
        folder.rename(goal)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{goal.name}-old-", dir=goal.parent))
    goal.rename(old / goal.name)
    folder.rename(goal)
    shutil.rmtree(old)


def write_configs(source: "Source", folder: Path) -> None:
    """Writes `config.json`, `preprocessor_config.json`, `tokenizer.json` and `tokenizer_config.json`."""
    # With defaults: readers other than transformers don't know them.
    config = json.loads(source.model.config.to_json_string(use_diff=False))
    (folder / "config.json").write_text(json.dumps(_without_origin(config), indent=2) + "\n", encoding="utf-8")
    source.image_processor.save_pretrained(folder)
    _save_tokenizer(source, folder)
    for name in ("config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise ExportError(f"transformers wrote no {name}.")


def _save_tokenizer(source: "Source", folder: Path) -> None:
    try:
        source.tokenizer.save_pretrained(folder)
    except Exception as error:
        # The Rust library has one class for all that goes wrong with a file.
        raise ExportError(f"The tokenizer can't be written: {error}.") from error


def _without_origin(config: dict) -> dict:
    """A configuration without the folder that it was read from."""
    kept = {key: value for key, value in config.items() if key != "_name_or_path"}
    return {key: _without_origin(value) if isinstance(value, dict) else value for key, value in kept.items()}
