"""The words of the world as a CLIP tokenizer: byte pairs learned from captions, so that any text can be read."""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from worker.training.captions import caption
from worker.training.chance import chance_for
from worker.training.scenes import WHOLE_WORLD, sample_scene

LENGTH = 32
START, END = "<|startoftext|>", "<|endoftext|>"


def build_tokenizer(folder: Path, seed: int, captions: int = 20_000) -> CLIPTokenizer:
    """Writes vocab.json and merges.txt in CLIP's layout, unless they are there, and opens them."""
    vocabulary, rules = folder / "vocab.json", folder / "merges.txt"
    if not rules.exists():
        folder.mkdir(parents=True, exist_ok=True)
        words, merges = _learn_words(seed, captions)
        vocabulary.write_text(json.dumps({word: index for index, word in enumerate(words)}))
        rules.write_text("\n".join(["#version: 0.2", *merges, ""]))
    return CLIPTokenizer(vocab=str(vocabulary), merges=str(rules), model_max_length=LENGTH, pad_token=END)


def _learn_words(seed: int, captions: int) -> tuple[list[str], list[str]]:
    learned = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learned.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation()])
    trainer = trainers.BpeTrainer(vocab_size=2000, min_frequency=5, end_of_word_suffix="</w>", show_progress=False)
    chance = chance_for(str(seed))
    texts = (caption(sample_scene(WHOLE_WORLD, chance.getrandbits(40)), chance).lower() for _ in range(captions))
    learned.train_from_iterator(texts, trainer)
    merges = [" ".join(pair) for pair in json.loads(learned.to_str())["model"]["merges"]]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [
        *letters,
        *(f"{letter}</w>" for letter in letters),
        *(pair.replace(" ", "") for pair in merges),
        START,
        END,
    ]
    return list(dict.fromkeys(words)), merges
