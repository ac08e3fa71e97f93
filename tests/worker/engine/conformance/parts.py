"""Tokenizers, text encoders and autoencoders of a few thousand random weights, which several families share."""

from typing import Any

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from torch import nn
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

VOCABULARY = 64
LANGUAGE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 512,
}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "patch_size": 14,
}
PARTS_OF_TURNS = ["<turn>", "<image>", "<|image_pad|>", "<|video_pad|>", "<|vision_start|>"]
CHAT = (
    "{% for message in messages %}<turn>{{ message.role }} "
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}{{ part.text or '<image>' }}{% endfor %}{% endif %}"
    "{% endfor %}"
)


def tokenizer(length: int = 16, padding_side: str = "right") -> PreTrainedTokenizerFast:
    """Knows letters; marks the beginning and the end as CLIP does."""
    marks = ["<begin>", "<end>", "<pad>", "<unknown>", *PARTS_OF_TURNS]
    tokens = {token: number for number, token in enumerate([*marks, *" abcdefghijklmnopqrstuvwxyz"])}
    letters = Tokenizer(WordLevel(tokens, unk_token="<unknown>"))  # noqa: S106
    letters.pre_tokenizer = Split(Regex("."), "isolated")
    letters.post_processor = TemplateProcessing(
        single="<begin> $A <end>", pair="<begin> $A $B <end>", special_tokens=[("<begin>", 0), ("<end>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=letters,
        bos_token="<begin>",  # noqa: S106
        eos_token="<end>",  # noqa: S106
        pad_token="<pad>",  # noqa: S106
        unk_token="<unknown>",  # noqa: S106
        extra_special_tokens=PARTS_OF_TURNS,
        model_max_length=length,
        padding_side=padding_side,
        chat_template=CHAT,
    )


def t5(width: int = 16) -> T5EncoderModel:
    sizes = {"d_model": width, "d_ff": 16, "d_kv": 8, "num_layers": 1, "num_heads": 2}
    return T5EncoderModel(T5Config(vocab_size=VOCABULARY, feed_forward_proj="gated-gelu", **sizes)).eval()


def awake(module: Any) -> Any:
    """Gives weights to the layers that begin as zeros, such as a ControlNet's last ones, so that they do something."""
    for parameter in module.parameters():
        if parameter.ndim > 1 and not parameter.any():
            with torch.no_grad():
                nn.init.normal_(parameter, std=0.1)
    return module
