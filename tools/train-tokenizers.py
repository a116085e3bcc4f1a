"""Trains the small tokenizers of the tests, and writes the ids that the Rust library makes of the test texts.

    python -m venv .venv && .venv/bin/pip install tokenizers==0.23.3
    .venv/bin/python tools/train-tokenizers.py

Everything is made here from sentences of our own and a fixed seed. The files land in test/fixtures/tokenizers/.
"""

import json
import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FIXTURES = Path(__file__).resolve().parent.parent / "test" / "fixtures"
OUT = FIXTURES / "tokenizers"

THINGS = "cat dog horse bird boat train bicycle lamp cake tree lantern mountain bridge camera guitar kite".split()
PLACES = "on the beach;in the snow;under an old bridge;at night;in the kitchen;by the river;on a hill;in the rain".split(";")
WAYS = "a photo of a {};two {}s;the {}'s shadow;my {} isn't here;a small red {};they've seen a {};3 {}s, 1 street".split(";")
ENGLISH = [f"{way.format(thing)} {place}" for thing in THINGS for way in WAYS for place in PLACES]
CHINESE_THINGS = "猫 狗 马 鸟 船 火车 自行车 灯 蛋糕 树 山 桥 孩子 雨伞 风筝 月亮".split()
CHINESE_PLACES = "海边 雪地里 桥下 夜里 厨房 河边 山上 雨中".split()
CHINESE = [f"一张{place}的{thing}的照片" for thing in CHINESE_THINGS for place in CHINESE_PLACES]
OTHER = ["Café crème, naïve façade", "Ωραία θάλασσα ΟΔΟΣ", "Привет, море", "😂😂😂😂 party 🎉", "aaaaaaaa haaaahaaaa", "¿dónde está?"]


def train_clip():
    """Lower-cased byte-level BPE with an end-of-word mark, enclosed and cut as CLIP's texts are."""
    tokenizer = Tokenizer(models.BPE(unk_token="<|endoftext|>", end_of_word_suffix="</w>", continuing_subword_prefix=""))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    tokenizer.train_from_iterator(ENGLISH + CHINESE + OTHER * 8, trainer)
    # Every byte also stands at a word's end; trained files only have those that were seen.
    model = json.loads(tokenizer.to_str())["model"]
    vocab = dict(model["vocab"])
    for letter in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocab.setdefault(letter + "</w>", len(vocab))
    merges = [tuple(pair) for pair in model["merges"]]
    tokenizer.model = models.BPE(
        vocab, merges, unk_token="<|endoftext|>", end_of_word_suffix="</w>", continuing_subword_prefix=""
    )
    # The end token has the highest id: CLIP pools at the highest.
    tokenizer.add_special_tokens([AddedToken("<|startoftext|>", normalized=True, special=True)])
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", normalized=False, special=True)])
    start, end = (tokenizer.token_to_id(f"<|{name}oftext|>") for name in ("start", "end"))
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", end), ("<|startoftext|>", start), trim_offsets=False, add_prefix_space=False
    )
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    return tokenizer, config


def train_bert():
    """WordPiece over words of Latin letters and single Chinese characters, some of them beyond the basic plane."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, handle_chinese_chars=True, clean_text=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=700, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False
    )
    tokenizer.train_from_iterator(ENGLISH + CHINESE + OTHER * 8 + ["𠮷野家 𠮷 𡈽"] * 4, trainer)
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]"))
    )
    config = {"tokenizer_class": "BertTokenizer", "model_max_length": 64, "pad_token": "[PAD]", "sep_token": "[SEP]"}
    return tokenizer, config


def train_gemma():
    """BPE over whole texts with bytes for what it doesn't know, built as SigLIP 2's file is: it does not lower-case."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    tokenizer.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(ENGLISH + CHINESE + OTHER * 8, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocab = dict(model["vocab"])
    for byte in range(256):
        vocab.setdefault(f"<0x{byte:02X}>", len(vocab))
    merges = [tuple(pair) for pair in model["merges"]]
    tokenizer.model = models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A <eos>", pair="$A <eos> $B <eos>", special_tokens=[("<eos>", tokenizer.token_to_id("<eos>"))]
    )
    config = {"tokenizer_class": "GemmaTokenizer", "model_max_length": 64, "pad_token": "<pad>", "eos_token": "<eos>"}
    return tokenizer, config


# Texts that a careful reader of INPUTS would try: kinds first, then noise.
KINDS = {
    "plain": ["a photo of a cat", "two dogs in the snow at night", "a", "I"],
    "case and white space": ["A PHOTO Of A Cat", "  a \t\n photo\u00a0of\u3000a\u2028cat  ", "a\u0085b", "\ufeffa cat"],
    "long": [" ".join(ENGLISH[:30]), "海" * 200, "x" * 300, "ab" * 500, "😂" * 400, "a\u0301" * 300],
    "emoji": ["😂", "👩‍👩‍👧‍👦", "🇩🇪🇫🇷", "🏳️‍🌈 flag", "👍🏽", "1️⃣"],
    "right to left and marks": ["שלום עולם", "مرحبا بالعالم", "נִקּוּד", "Z͑ͫ̓͌a̴̵l̶g̷o̸", "e\u0301 é \u1100\u1161 가", "Å Å"],
    "control": ["a\x00cat", "\x07bell\x1b[31m", "a\u200bb\u200dc", "\ufffd", "a\u00adb", "\u202eabc"],
    "punctuation": ["!!!", "…—–", "((()))", "a.b,c;d", "don't we'll they'VE i'm", "“quotes” ‘single’"],
    "scripts": ["ΟΔΥΣΣΕΥΣ ΣΑΣ Σ", "ΑΣ. ΑΣ", "İstanbul I ı", "ẞ straße", "Ǆ ǅ ﬁ", "ไทย", "हिन्दी", "ქართული", "Привет", "日本語 テスト ｶﾞ"],
    "beyond the basic plane": ["𠮷野家", "a𠮷b𡈽", "𝚺𝛔 𝐀𝐛", "𐐀𐐨", "🀄"],
    "numbers": ["1234567890", "3.14 ½ ² Ⅷ ٣", "2026-11-22"],
    "special tokens": [
        "<|endoftext|>", "a <|endoftext|> b", "<|ENDOFTEXT|>", "<|startoftext|>a", "<|STARTOFTEXT|> a", "<|endof", "<|startoftext|><|ENDOFTEXT|>",
        "[CLS] a [SEP]", "[cls]", "[UNK][PAD]", "a[MASK]b", "</s>", "a </s> b", " </s>", "</S>", "<unk>x",
        "a <eos> b", "<EOS>", "<pad>", "<0x41>",
    ],
    "html": ["&amp; <b>bold</b>", "http://example.org/a?b=c&d=%20"],
}


def noise(count, seed=20261122):
    """Strings of characters that Unicode has had for long, so that tables of different age agree on them."""
    draw = random.Random(seed)
    ranges = [(0x20, 0x7E)] * 6 + [(0, 0x1F), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x3FF), (0x400, 0x45F), (0x5D0, 0x5EA)]
    ranges += [(0x620, 0x64A), (0x905, 0x939), (0x1100, 0x1112), (0x1161, 0x1175), (0x2000, 0x206F), (0x20A0, 0x20B5)]
    ranges += [(0x2150, 0x2188), (0x2500, 0x257F), (0x3000, 0x30FF), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xFF01, 0xFF9F)]
    ranges += [(0x1D400, 0x1D49B), (0x1F600, 0x1F64F), (0x20000, 0x2A6D6), (0x2F800, 0x2FA1D), (0xFE00, 0xFE0F)]
    pieces = ["<|endoftext|>", "[SEP]", "</s>", " ", "  ", "Σ", "'s", "\n", "the cat"]
    texts = []
    for _ in range(count):
        characters = []
        for _ in range(draw.randint(1, 24)):
            if draw.random() < 0.2:
                characters.append(draw.choice(pieces))
            else:
                first, last = draw.choice(ranges)
                characters.append(chr(draw.randint(first, last)))
        texts.append("".join(characters))
    return texts


def golden(tokenizer, max_length, texts):
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    ids = [tokenizer.encode(text).ids for text in texts]
    tokenizer.no_truncation()
    return ids


def write(name, tokenizer, config):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    compact = {"ensure_ascii": False, "separators": (",", ":")}
    (folder / "tokenizer.json").write_text(json.dumps(json.loads(tokenizer.to_str()), **compact), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, **compact), encoding="utf-8")


def load(folder):
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    return Tokenizer.from_file(str(folder / "tokenizer.json")), config


def main():
    tokenizers = {}
    for name, train in {"clip-bpe": train_clip, "bert-wordpiece": train_bert, "gemma-bpe": train_gemma}.items():
        # Training breaks ties anew each time, and other fixtures depend on the ids: what is there stays.
        if not (OUT / name).exists():
            write(name, *train())
        tokenizers[name] = load(OUT / name)
    siglip = FIXTURES / "models" / "siglip-tiny"
    tokenizers["siglip-tiny"] = load(siglip)
    # The same file as SigLIP 2 uses it: lower-cased, as Siglip2Tokenizer of transformers does.
    gemma, config = load(OUT / "gemma-bpe")
    gemma.normalizer = normalizers.Sequence([normalizers.Lowercase(), gemma.normalizer])
    tokenizers["siglip2"] = (gemma, config)

    kinds = [{"kind": kind, "text": text} for kind, texts in KINDS.items() for text in texts]
    texts = [entry["text"] for entry in kinds] + noise(150)
    ids = {name: golden(t, config["model_max_length"], texts) for name, (t, config) in tokenizers.items()}
    rows = [
        {"kind": kinds[i]["kind"] if i < len(kinds) else "noise", "text": text, "ids": {name: ids[name][i] for name in ids}}
        for i, text in enumerate(texts)
    ]
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    (FIXTURES / "golden" / "tokens.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
