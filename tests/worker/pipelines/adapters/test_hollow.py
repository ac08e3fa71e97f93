from typing import Any

import torch

from worker.engine import Engine
from worker.pipelines.adapters.hollow import hollow_pipeline


def test_a_hollow_pipeline_has_the_same_structure_and_no_weights(stable_diffusion: Any) -> None:
    hollow = hollow_pipeline(stable_diffusion)

    for name, weight in stable_diffusion.unet.state_dict().items():
        copied = hollow.unet.state_dict()[name]
        assert (copied.shape, copied.dtype) == (weight.shape, weight.dtype)
        assert copied.untyped_storage().nbytes() == copied.element_size()


def test_changing_a_hollow_pipeline_leaves_the_original_alone(stable_diffusion: Any) -> None:
    with Engine() as engine:
        engine.adopt(stable_diffusion)
        hollow = hollow_pipeline(stable_diffusion)

        hollow.text_encoder.to(torch.float64)
        hollow.unet.conv_in.register_forward_hook(print)
        hollow.unet.conv_in = torch.nn.Identity()

    assert hollow.text_encoder.dtype is torch.float64
    assert stable_diffusion.text_encoder.dtype is torch.float32
    assert isinstance(stable_diffusion.unet.conv_in, torch.nn.Conv2d)
    assert not stable_diffusion.unet.conv_in._forward_hooks
