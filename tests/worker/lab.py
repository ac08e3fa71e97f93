"""A worker's task with a model of its own, and the pictures that its jobs come with."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from redis import Redis
from torch import Tensor, nn, zeros

from app.contract import names
from app.contract.catalogue import Model
from app.contract.generation import ControlRequest, Generation, GenerationRequest, Mask, Picture, Pictures
from app.contract.job import StoredImage
from app.contract.storage import Storage
from tests.worker.pipelines.conftest import CPU
from tests.worker.queue.eventually import eventually
from tests.worker.queue.front import Front
from worker.engine import Engine
from worker.pipelines.warm_models import WarmModels
from worker.pipelines.warming import LoadedModel
from worker.queue import Claim, QueueWorker
from worker.queue.ledger import Ledger
from worker.task import Workbench, develop

SOON_S = 60.0


def noise(seed: int, size: int = 24) -> Image.Image:
    """In another size than what is drawn."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(blocks).resize((size, size), Image.Resampling.NEAREST)


def half(size: int = 24) -> Image.Image:
    mask = Image.new("L", (size, size))
    mask.paste(255, (0, 0, size // 2, size))
    return mask


IMAGE, MASK, EDGES = noise(1), half(), noise(2)


class Lab:
    """Develops jobs of one model through the worker's own task."""

    def __init__(self, model: Model, redis: Redis, url: str, folder: Path) -> None:
        self.model = model
        self.engine = Engine()
        self.storage = Storage(folder.as_uri())
        models = WarmModels(lambda _name: LoadedModel.load(model, CPU, self.engine))
        models.warm([model.name])
        self._workbench = Workbench(self.engine, models, self.storage)
        self._front, self._redis = Front(url), redis

    def generation(self, *pictures: Image.Image, **asked: Any) -> Generation:
        """What a request for this comes to; `pictures` are some of IMAGE, MASK and EDGES."""
        control = ControlRequest(name="edges", image="...", scale=0.7) if EDGES in pictures else None
        request = GenerationRequest.model_validate({"prompt": "a cat", "seed": 5, **asked})
        return self.model.fill(
            request.model_copy(update={"control": control}),
            Pictures(
                image=[Picture(**_stored(IMAGE))] if IMAGE in pictures else [],
                mask=Mask(**_stored(MASK)) if MASK in pictures else None,
                control=Picture(**_stored(EDGES)) if control else None,
            ),
        )

    def develop(self, *generations: Generation) -> list[Image.Image]:
        """Develops them together: no run goes on before all are in the engine."""
        claims = self.claim(*generations)
        gate = Gate(self.engine, len(claims))
        with ThreadPoolExecutor(len(claims)) as threads:
            opened = self.engine.submit(gate)
            images = list(threads.map(self.developed, claims, timeout=SOON_S))
            opened.result(SOON_S)
        self.engine.release(gate)
        return [Image.open(BytesIO(self.storage.read(image.key))) for image in images]

    def claim(self, *generations: Generation) -> list[Claim]:
        for each in generations:
            record_id = self._front.admit(**{name: getattr(each, name) for name in Generation.model_fields})
            for given in (IMAGE, MASK, EDGES):
                key = names.input_key(record_id, _stored(given)["sha256"])
                self.storage.put(key, _png(given), "image/png")
        queues = QueueWorker([self.model.name], connection=self._redis).queues
        claims = Ledger(self._redis, "darkroom-a", queues, lease_s=60).claim(len(generations), 0)
        assert [claim.generation for claim in claims] == list(generations)
        return claims

    def developed(self, claim: Claim) -> StoredImage:
        [image] = develop(claim, self._workbench)["images"]
        return StoredImage.model_validate(image)


class Gate:
    """A pipeline of one call, which ends when as many other runs as are awaited have come to the engine."""

    def __init__(self, engine: Engine, awaited: int) -> None:
        self.kernel = Kernel(engine, awaited)
        engine.adopt(self)

    @property
    def components(self) -> dict[str, nn.Module]:
        return {"kernel": self.kernel}

    def __call__(self) -> Tensor:
        return self.kernel(zeros(1))


class Kernel(nn.Module):
    def __init__(self, engine: Engine, awaited: int) -> None:
        super().__init__()
        self._engine, self._awaited = engine, awaited

    def forward(self, sample: Tensor) -> Tensor:
        eventually(lambda: self._engine.runs > self._awaited)
        return sample


def _stored(picture: Image.Image) -> dict[str, Any]:
    content = _png(picture)
    digest = hashlib.sha256(content).hexdigest()
    size = {"width": picture.width, "height": picture.height, "bytes": len(content)}
    return {"sha256": digest, "content_type": "image/png", **size}


def _png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "png")
    return file.getvalue()
