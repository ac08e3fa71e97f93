"""The text encoder, taught to read before there are pictures: its end and padding tokens name what a caption holds."""

from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from worker.training.captions import caption
from worker.training.chance import chance_for
from worker.training.loop import Plan, learn
from worker.training.scenes import WHOLE_WORLD, Scene, sample_scene
from worker.training.tokenizer import LENGTH
from worker.training.world import BACKGROUNDS, COLOURS, KINDS, PLACES, RELATIONS, SIZES, STYLES, WEAR

WIDTH = 160
NONE = (None,)
QUESTIONS: dict[str, tuple[str | None, ...]] = {
    "kind": tuple(KINDS), "colour": tuple(COLOURS), "wear": NONE + WEAR, "size": SIZES, "place": PLACES,
    "second kind": NONE + tuple(KINDS), "second colour": NONE + tuple(COLOURS), "second wear": NONE + WEAR,
    "background": BACKGROUNDS, "style": STYLES, "relation": NONE + RELATIONS,
}  # fmt: skip


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=3 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """(B, LENGTH) token ids."""
    return tokenizer(texts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt").input_ids


def answers(scene: Scene) -> list[int]:
    """One index for each question."""
    first, second = scene.things[0], scene.things[1] if len(scene.things) > 1 else None
    facts = {
        "kind": first.kind, "colour": first.colour, "wear": first.wear, "size": first.size, "place": first.place,
        "second kind": second and second.kind, "second colour": second and second.colour,
        "second wear": second and second.wear,
        "background": scene.background, "style": scene.style, "relation": scene.relation,
    }  # fmt: skip
    return [QUESTIONS[question].index(fact) for question, fact in facts.items()]


class Reader(nn.Module):
    """The text encoder and one linear answer for each question, asked of the end token and of the padding after it."""

    def __init__(self, text_encoder: CLIPTextModel) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.heads = nn.ModuleList(nn.Linear(WIDTH, len(choices)) for choices in QUESTIONS.values())

    def loss(self, tokens: Tensor, expected: Tensor) -> Tensor:
        states = self.text_encoder(tokens).last_hidden_state
        is_end = (tokens == self.text_encoder.config.eos_token_id).unsqueeze(-1)
        padding = (states * is_end).sum(1) / is_end.sum(1)
        last = states[:, -1]
        losses = [
            F.cross_entropy(head(state), expected[:, question])
            for question, head in enumerate(self.heads)
            for state in (padding, last)
        ]
        return torch.stack(losses).mean()


def train_text_encoder(
    folder: Path, tokenizer: CLIPTokenizer, plan: Plan, seed: int, device: torch.device
) -> CLIPTextModel:
    torch.manual_seed(seed)
    reader = Reader(build_text_encoder(tokenizer)).to(device)

    def loss_at(step: int) -> Tensor:
        chance = chance_for(f"{seed}/read/{step}")
        scenes = [sample_scene(WHOLE_WORLD, chance.getrandbits(40)) for _ in range(plan.batch)]
        tokens = tokenize(tokenizer, [caption(scene, chance) for scene in scenes])
        return reader.loss(tokens.to(device), torch.tensor([answers(scene) for scene in scenes]).to(device))

    return learn("text_encoder", reader, loss_at, plan, folder).text_encoder
