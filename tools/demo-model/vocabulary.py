"""Makes the tokenizer: CLIP's own kind (byte-level BPE, lower case), trained on the sentences of this world."""

import json

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from pictures import draw_facts
from sentences import ADJECTIVES, DAY_PHRASES, EXTRAS, NIGHT_PHRASES, OPENINGS, Writer
from world import PLACES, SEED, THINGS, split_pairs

MAX_TOKENS = 32
START, END = "<|startoftext|>", "<|endoftext|>"
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())


def corpus(count=20_000):
    rng = np.random.default_rng(SEED)
    writer = Writer(rng)
    trained, _, _ = split_pairs()
    words = [*ADJECTIVES, *EXTRAS, *OPENINGS, *NIGHT_PHRASES, *DAY_PHRASES]
    for thing in THINGS:
        words += [thing.name, thing.plural, *thing.synonyms]
    for place in PLACES:
        words += [*place.phrases, *place.nouns]
    return words * 20 + [writer.sentence(draw_facts(trained[rng.integers(len(trained))], rng)).text for _ in range(count)]


def train_tokenizer(merges=510):
    trainer = trainers.BpeTrainer(
        vocab_size=2 * len(BYTES) + merges, initial_alphabet=BYTES, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer = Tokenizer(bpe())
    tokenizer.pre_tokenizer = word_splitter()
    tokenizer.normalizer = normaliser()
    tokenizer.train_from_iterator(corpus(), trainer)
    learned = [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]][:merges]
    # As in CLIP's file: all bytes, all bytes at a word's end, the merges in their order, and the end token last.
    tokens = [*BYTES, *(letter + "</w>" for letter in BYTES), *(left + right for left, right in learned)]
    vocab = {token: place for place, token in enumerate(dict.fromkeys(tokens))}
    tokenizer.model = bpe(vocab, learned)
    tokenizer.add_special_tokens([AddedToken(START, normalized=True, special=True)])
    tokenizer.add_special_tokens([AddedToken(END, normalized=False, special=True)])
    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    tokenizer.post_processor = processors.RobertaProcessing((END, end), (START, start), trim_offsets=False, add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def bpe(vocab=None, merges=None):
    return models.BPE(vocab, merges, unk_token=END, end_of_word_suffix="</w>", continuing_subword_prefix="")


def normaliser():
    return normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])


def word_splitter():
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )


def tokenizer_config():
    return {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": MAX_TOKENS, "do_lower_case": True, "errors": "replace",
        "bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END,
    }


def encode(tokenizer, texts):
    """Ids as an array, filled up with the end token to the length of the longest."""
    rows = [tokenizer.encode(text).ids for text in texts]
    end = tokenizer.token_to_id(END)
    rows = [row if len(row) <= MAX_TOKENS else [*row[: MAX_TOKENS - 1], end] for row in rows]
    length = max(map(len, rows))
    return np.array([row + [end] * (length - len(row)) for row in rows], np.int64)
