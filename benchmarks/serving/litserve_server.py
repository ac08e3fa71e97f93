"""LitServe 0.2 with dynamic batching, as its documentation has it: `predict` gets what came within the batch's time.

A diffusers call has one step count and one guidance, so a mixed batch is served as one call for each settings in it.
"""

import argparse
from typing import Any

import litserve
import torch
from fastapi import Response

from benchmarks.serving.models import build
from benchmarks.serving.systems import develop_alike
from benchmarks.serving.workload import Request


class Pictures(litserve.LitAPI):
    def __init__(self, model: str, dtype: torch.dtype, **options: Any) -> None:
        super().__init__(**options)
        self._model, self._dtype = model, dtype

    def setup(self, device: str) -> None:
        self._pipeline = build(self._model, device, self._dtype)

    def decode_request(self, request: dict[str, Any]) -> Request:
        return Request(**request)

    def batch(self, requests: list[Request]) -> list[Request]:
        return requests

    def predict(self, requests: list[Request]) -> list[torch.Tensor]:
        pictures: dict[Request, torch.Tensor] = {}
        for settings in dict.fromkeys(request.settings for request in requests):
            alike = [request for request in requests if request.settings == settings]
            pictures.update(zip(alike, develop_alike(self._pipeline, alike), strict=True))
        return [pictures[request] for request in requests]

    def unbatch(self, pictures: list[torch.Tensor]) -> list[torch.Tensor]:
        return pictures

    def encode_response(self, picture: torch.Tensor) -> Response:
        return Response(picture.numpy().tobytes(), media_type="application/octet-stream")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--dtype", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--limit", type=int, required=True)
    options = parser.parse_args()
    pictures = Pictures(options.model, getattr(torch, options.dtype), max_batch_size=options.limit, batch_timeout=0.05)
    server = litserve.LitServer(pictures, accelerator=options.device, devices=1, timeout=600)
    server.run(host="127.0.0.1", port=options.port, generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
