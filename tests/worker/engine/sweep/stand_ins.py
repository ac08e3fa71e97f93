"""What diffusers' tests would download, or import and not use, made here: tiny models, tokenizers and processors."""

import importlib
import importlib.util
import string
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import MagicMock

import diffusers
import torch
import transformers
from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig, ChatGLMModel
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing
from torch.nn import functional
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

UNUSED = ("parameterized", "requests", "requests_mock")
KOLORS = {  # of which diffusers has dummies where sentencepiece is not, which its tokenizer takes
    "KolorsPipeline": "kolors.pipeline_kolors",
    "KolorsImg2ImgPipeline": "kolors.pipeline_kolors_img2img",
    "KolorsPAGPipeline": "pag.pipeline_pag_kolors",
    "ChatGLMTokenizer": "kolors.tokenizer",
    "ChatGLMModel": "kolors.text_encoder",
}
TURNS = ("<|im_start|>", "<|im_end|>", "<|image_pad|>", "<|vision_start|>", "<|vision_end|>", "<|video_pad|>")
PICTURES = {
    "image_token_id": "<|image_pad|>",
    "video_token_id": "<|video_pad|>",
    "vision_start_token_id": "<|vision_start|>",
    "vision_end_token_id": "<|vision_end|>",
}
CHAT = (
    "{% for m in messages %}<|im_start|>{{m.role}}\n{% if m.content is string %}{{m.content}}{% else %}"
    "{% for c in m.content %}{{c.text if c.type == 'text' else '<|vision_start|><|image_pad|><|vision_end|>'}}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 1024}


ABSENT = {
    "ftfy": types.SimpleNamespace(fix_text=lambda text: text),
    "transforms": types.SimpleNamespace(  # torchvision's
        InterpolationMode=types.SimpleNamespace(NEAREST="nearest"),
        functional=types.SimpleNamespace(
            resize=lambda image, size, interpolation: functional.interpolate(image, size, mode=interpolation)
        ),
    ),
}


class _Unused:
    """Finds the packages that diffusers' tests import for what is not used here."""

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> Any:
        loader: Any = self
        return importlib.util.spec_from_loader(name, loader) if name.split(".", maxsplit=1)[0] in UNUSED else None

    def create_module(self, spec: Any) -> types.ModuleType:
        module: Any = types.ModuleType(spec.name)
        module.__path__ = []
        module.__getattr__ = lambda _: MagicMock()
        return module

    def exec_module(self, _module: Any) -> None:
        pass


class _Numbering(PreTrainedTokenizerFast):
    """Numbers the tokens, as ChatGLM's does."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        batch = super().__call__(*args, **kwargs)
        batch["position_ids"] = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        return batch


def stand_in() -> None:
    """Has `from_pretrained` make what it would load, for the names that diffusers' tests know."""
    sys.meta_path.append(_Unused())
    for name, module in KOLORS.items():
        setattr(diffusers, name, getattr(importlib.import_module(f"diffusers.pipelines.{module}"), name))
    everywhere: Any = transformers
    for loaded in (PreTrainedTokenizerBase, everywhere.AutoTokenizer):
        loaded.from_pretrained = classmethod(_tokenizer)
    for loaded in (everywhere.AutoProcessor, everywhere.ProcessorMixin):
        loaded.from_pretrained = classmethod(_processor)
    small = {"height": 30, "width": 30}
    everywhere.SiglipImageProcessor.from_pretrained = classmethod(lambda kind, *_, **__: kind(size=small))
    everywhere.AutoConfig.from_pretrained = classmethod(lambda _, name, **__: _t5() if "t5" in name else _bert())
    everywhere.PreTrainedModel.from_pretrained = classmethod(_model)
    everywhere.ProcessorMixin.check_argument_for_proper_class = lambda *_: None  # it asks for torchvision


def fill_in() -> None:
    """Gives the modules of diffusers that are loaded by now what they import where a package is there."""
    for module in [*sys.modules.values()]:
        if getattr(module, "__name__", "").startswith("diffusers."):
            for name, value in ABSENT.items():
                vars(module).setdefault(name, value)


def align(pipeline: Any) -> None:
    """Has the text encoder look for pictures where the tokenizer that stands in has their tokens."""
    parts = pipeline.components
    reader = parts.get("processor") or parts.get("tokenizer")
    reader, config = getattr(reader, "tokenizer", reader), getattr(parts.get("text_encoder"), "config", None)
    for name, token in PICTURES.items():
        if hasattr(config, name):
            setattr(config, name, reader.convert_tokens_to_ids(token))


def _tokenizer(kind: type, /, name: Any = "", *_: Any, model_max_length: int | None = None, **__: Any) -> Any:
    about = f"{name}{kind.__name__}".lower()
    if "clip" in about:
        return _letters("<s>", "</s>", "<pad>", model_max_length or 77)
    if "gemma" in about:
        return _letters(None, "</s>", "<pad>", 300, letters="a ei")
    if "chatglm" in about:
        return _letters("[gMASK]", None, "<pad>", 256, kind=_Numbering)
    if "qwen" in about:
        return _letters(None, None, "<|endoftext|>", 4096, marks=TURNS)
    return _letters(None, "</s>", "<pad>", model_max_length or 77 if "t5" in about else 4096, marks=TURNS)


def _letters(
    begin: str | None,
    end: str | None,
    pad: str,
    length: int,
    marks: Sequence[str] = (),
    letters: str = string.printable,
    kind: type = PreTrainedTokenizerFast,
) -> PreTrainedTokenizerFast:
    tokens = dict.fromkeys(token for token in (pad, begin, *marks, "<unk>", *letters, end) if token)
    numbers = {token: number for number, token in enumerate(tokens)}
    reader = Tokenizer(WordLevel(numbers, unk_token="<unk>"))  # noqa: S106
    reader.pre_tokenizer, reader.decoder = Split(Regex("."), "isolated"), Fuse()
    ends = [token for token in (begin, end) if token]
    if ends:
        single = " ".join(token for token in (begin, "$A", end) if token)
        pairs = [(token, numbers[token]) for token in ends]
        reader.post_processor = TemplateProcessing(single=single, pair=f"{single} $B", special_tokens=pairs)
    return kind(
        tokenizer_object=reader,
        bos_token=begin,
        eos_token=end,
        pad_token=pad,
        unk_token="<unk>",  # noqa: S106
        model_max_length=length,
        additional_special_tokens=list(marks),
        chat_template=CHAT,
    )


def _t5() -> Any:
    sizes = {"vocab_size": 1103, "d_model": 32, "d_ff": 37, "d_kv": 8, "num_layers": 2, "num_heads": 4}
    return transformers.T5Config(**sizes, decoder_start_token_id=0, feed_forward_proj="gated-gelu")


def _bert() -> Any:
    return transformers.BertConfig(**SMALL | {"hidden_size": 32, "vocab_size": 1124}, intermediate_size=37)


def _model(kind: type, name: Any, *_: Any, **__: Any) -> Any:
    about = f"{name}{kind.__name__}".lower()
    torch.manual_seed(0)
    for part, (model, config) in _models().items():
        if part in about:
            return model(config()).eval()
    raise OSError(f"No stand-in for {about}.")


def _models() -> dict[str, tuple[Any, Callable[[], Any]]]:
    """Returns which model stands in where a name or a class has these words, and its configuration."""
    models: Any = transformers
    return {
        "umt5": (models.UMT5EncoderModel, lambda: models.UMT5Config(**_t5().to_dict())),
        "t5encoder": (models.T5EncoderModel, _t5),
        "bertmodel": (models.BertModel, _bert),
        "siglipvision": (models.SiglipVisionModel, _siglip),
        "chatglm": (ChatGLMModel, _chat_glm),
        "llama": (models.LlamaForCausalLM, lambda: models.LlamaConfig(**SMALL, intermediate_size=37)),
        "gemma3": (models.Gemma3ForConditionalGeneration, _gemma_3),
        "qwen3vl": (models.Qwen3VLForConditionalGeneration, _qwen_3_vl),
        "qwen2vl": (models.Qwen2VLForConditionalGeneration, _qwen_2_vl),
    }


def _siglip() -> Any:
    sizes = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 1, "num_attention_heads": 4}
    return transformers.SiglipVisionConfig(**sizes, image_size=30, patch_size=2)


def _chat_glm() -> Any:
    return ChatGLMConfig(
        num_layers=2,
        padded_vocab_size=1024,
        hidden_size=8,
        ffn_hidden_size=37,
        kv_channels=8,
        num_attention_heads=4,
        multi_query_attention=True,
        multi_query_group_num=2,
        seq_length=256,
        add_qkv_bias=True,
        rmsnorm=True,
        original_rope=True,
        post_layer_norm=True,
        add_bias_linear=False,
        apply_query_key_layer_scaling=True,
    )


def _qwen_2_vl() -> Any:
    rope = {"type": "mrope", "mrope_section": [1, 1, 2]}
    text = {**SMALL, "intermediate_size": 16, "num_key_value_heads": 2, "rope_scaling": rope}
    vision = {"depth": 2, "hidden_size": 16, "embed_dim": 16, "intermediate_size": 16, "num_heads": 2}
    return transformers.Qwen2VLConfig(text_config=text, vision_config={**vision, "out_hidden_size": 16})


def _qwen_3_vl() -> Any:
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2]}
    text = {**SMALL, "intermediate_size": 16, "num_key_value_heads": 2, "head_dim": 8, "rope_scaling": rope}
    vision = {"depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "deepstack_visual_indexes": [0]}
    vision["patch_size"] = 14
    return transformers.Qwen3VLConfig(text_config=text, vision_config={**vision, "out_hidden_size": 16})


def _gemma_3() -> Any:
    text = {**SMALL, "hidden_size": 32, "intermediate_size": 16, "num_key_value_heads": 2, "head_dim": 8}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return transformers.Gemma3Config(text_config=text, vision_config={**vision, "image_size": 28, "patch_size": 14})


def _processor(kind: type, name: Any, *_: Any, **__: Any) -> Any:
    tokenizer: Any = _tokenizer(kind, "qwen")
    images = transformers.Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=56 * 56, patch_size=14)
    is_third = "qwen3" in f"{name}{kind.__name__}".lower()
    processor: Any = transformers.Qwen3VLProcessor if is_third else transformers.Qwen2VLProcessor
    return processor(image_processor=images, tokenizer=tokenizer, video_processor=None, chat_template=CHAT)
