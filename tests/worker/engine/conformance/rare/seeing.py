"""What looks at pictures of 32 x 32 pixels, and what makes these of others."""

from transformers import CLIPImageProcessor, CLIPVisionConfig


def looking() -> CLIPVisionConfig:
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return CLIPVisionConfig(**sizes, patch_size=4, image_size=32, projection_dim=16)


def reading() -> CLIPImageProcessor:
    return CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
