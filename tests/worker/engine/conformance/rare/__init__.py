"""Families that only the sweep takes: old pipelines, and relatives of those that the tests bring into company."""

from tests.worker.engine.conformance.rare import (
    audio,
    of_tokens,
    older_unconditional,
    older_video,
    stable_diffusion_1,
    unclip,
    versatile,
    wuerstchen,
)

FAMILIES = [audio, of_tokens, older_unconditional, older_video, stable_diffusion_1, unclip, versatile, wuerstchen]
