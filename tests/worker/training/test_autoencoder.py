from pathlib import Path

import torch

from worker.training.autoencoder import build_autoencoder, drawing_half, open_autoencoder
from worker.training.checkpoint import save_checkpoint


def test_an_autoencoder_opens_with_the_decoder_as_far_as_it_is_polished(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rough, polished = build_autoencoder(), build_autoencoder()
    rough.save_pretrained(tmp_path / "vae")
    before = open_autoencoder(tmp_path)
    halves = {"student": drawing_half(rough), "average": drawing_half(polished)}
    save_checkpoint(tmp_path / "decoder.safetensors", 3, halves, torch.optim.AdamW(rough.parameters()))

    after = open_autoencoder(tmp_path)

    assert torch.equal(before.decoder.conv_out.weight, rough.decoder.conv_out.weight)
    assert torch.equal(after.decoder.conv_out.weight, polished.decoder.conv_out.weight)
    assert torch.equal(after.post_quant_conv.weight, polished.post_quant_conv.weight)
    assert torch.equal(after.encoder.conv_in.weight, rough.encoder.conv_in.weight)
    assert not any(parameter.requires_grad for parameter in after.parameters())
