from collections.abc import Hashable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.worker.engine.small_pipelines import Room, Rows
from worker.engine.rows.rounding import AsAlone, Layouts
from worker.engine.rows.wearing import wearing, worn


class Deep(Rows):
    """Makes of every row another by several layers, in which roundings grow."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, sample: Tensor) -> Tensor:  # type: ignore[override]
        self.seen.append(len(sample))
        return self.layers(sample)


def linear() -> Deep:
    return Deep(*(nn.Linear(64, 64) for _ in range(4)))


def convolving(dimensions: int, **settings: Any) -> Deep:
    convolution = getattr(nn, f"Conv{dimensions}d")
    return Deep(*(convolution(8, 8, **({"kernel_size": 3, "padding": 1} | settings)) for _ in range(4)))


def values(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def equals_alone(module: Deep, *shape: int) -> bool:
    """Tells whether calls of 1, 2, 3, 1 and 5 rows in one forward pass give the very bits that they give alone."""
    room = Room(module)
    samples = [values(seed, rows, *shape) for seed, rows in enumerate([1, 2, 3, 1, 5])]
    results = room.develop(*[room.admit(sample=sample, steps=3) for sample in samples])
    assert 12 in module.seen
    return all(
        torch.equal(result, room.alone(sample=sample, steps=3)) for sample, result in zip(samples, results, strict=True)
    )


@pytest.mark.parametrize("length", [(), (1,), (2,), (5,), (9,)], ids=str)
def test_a_call_of_few_vectors_is_rounded_as_alone(length: tuple[int, ...]) -> None:
    assert equals_alone(linear(), *length, 64)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (convolving(2), (8, 8, 8)),
        (convolving(2, kernel_size=1, padding=0), (8, 8, 8)),
        (convolving(2, padding="same"), (8, 8, 8)),
        (convolving(2, padding=2, dilation=2), (8, 8, 8)),
        (convolving(2, groups=2), (8, 8, 8)),
        (convolving(2), (8, 64, 64)),
        (convolving(2), (8, 2, 2)),
        (convolving(1), (8, 20)),
        (convolving(3), (8, 3, 8, 8)),
    ],
    ids=["plain", "one by one", "same", "dilated", "groups", "large", "small", "one dimension", "three dimensions"],
)
def test_a_convolution_is_rounded_as_alone(module: Deep, shape: tuple[int, ...], threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert equals_alone(module, *shape)
    finally:
        torch.set_num_threads(before)


class Product(nn.Module):
    """Multiplies by a matrix that is no layer's, as text projections do."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(values(9, 40, 40) / 40**0.5)

    def forward(self, sample: Tensor) -> Tensor:
        return sample @ self.factor


@pytest.mark.parametrize("length", [(), (3,)], ids=str)
def test_a_product_with_a_matrix_is_rounded_as_alone(length: tuple[int, ...]) -> None:
    assert equals_alone(Deep(*(Product() for _ in range(3))), *length, 40)


@pytest.mark.parametrize("side", [5, 64])
def test_vectors_that_lie_transposed_in_memory_are_multiplied_as_alone(side: int) -> None:
    class Turned(nn.Linear):
        """Takes channels by places, as the attention of autoencoders does."""

        def forward(self, sample: Tensor) -> Tensor:
            return super().forward(sample.transpose(1, 2)).transpose(1, 2).contiguous()

    assert equals_alone(Deep(*(Turned(8, 8) for _ in range(4))), 8, side)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_transposed_convolution_is_rounded_as_alone(dimensions: int) -> None:
    kind = getattr(nn, f"ConvTranspose{dimensions}d")

    assert equals_alone(Deep(*(kind(4, 4, 3, padding=1) for _ in range(3))), 4, *[6] * dimensions)


class ChannelsLast(nn.Module):
    """Turns a picture's memory around, as attention over its places does."""

    def forward(self, sample: Tensor) -> Tensor:
        return sample.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    "module",
    [
        Deep(nn.SiLU(), nn.GELU("tanh"), nn.Mish(), nn.Softplus(), nn.ELU()),
        Deep(ChannelsLast(), nn.GroupNorm(4, 32), nn.GroupNorm(8, 32)),
    ],
    ids=["activations", "group norm"],
)
def test_what_threads_share_is_rounded_as_alone(module: Deep) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert equals_alone(module, 32, 40, 40)
    finally:
        torch.set_num_threads(before)


def test_activations_of_rows_that_are_no_whole_vectors_are_rounded_as_alone() -> None:
    assert equals_alone(Deep(nn.SiLU(), nn.GELU("tanh"), nn.GELU(), nn.SiLU()), 7, 33)


def test_half_of_a_row_is_activated_as_alone() -> None:
    class Half(nn.GELU):
        """Lies in one piece where a row is alone, as the gate of a feed-forward does that has one token."""

        def forward(self, sample: Tensor) -> Tensor:
            return super().forward(sample.chunk(2, dim=-1)[1]).repeat(1, 1, 2)

    assert equals_alone(Deep(Half(), Half()), 1, 128)


def test_attention_that_has_its_rows_second_is_rounded_as_alone() -> None:
    class Pooling(nn.MultiheadAttention):
        """Has one query for many keys, as HunyuanDiT for its text."""

        def forward(self, sample: Tensor) -> Tensor:  # type: ignore[override]
            keys = sample.transpose(0, 1)
            return sample + super().forward(keys.mean(0, keepdim=True), keys, keys, need_weights=False)[0][0][:, None]

    assert equals_alone(Deep(*(Pooling(32, 2) for _ in range(2))), 5, 32)


@pytest.mark.parametrize("adds", [True, False])
def test_a_row_whose_memory_layout_is_another_among_others_is_normalised_and_convolved_as_alone(adds: bool) -> None:
    class Turning(Deep):
        """Attends over places, as UNets do: its rows come out with their channels last, but a lone one if it adds."""

        def forward(self, sample: Tensor) -> Tensor:  # type: ignore[override]
            self.seen.append(len(sample))
            turned = sample.flatten(2).transpose(1, 2).contiguous().transpose(1, 2).view(sample.shape)
            if len(worn()) > 1:  # as where some rows wear LoRAs
                self.layers[1](sample)
            return self.layers(sample.add(turned) if adds else turned)

    assert equals_alone(Turning(nn.GroupNorm(2, 8), nn.Conv2d(8, 8, 3, padding=1), nn.GroupNorm(4, 8)), 8, 12, 12)


def test_layouts_are_kept_apart_by_layer_where_some_rows_have_layers_of_their_own() -> None:
    before, after = nn.GroupNorm(2, 8), nn.GroupNorm(2, 8)
    rows = values(0, 4, 8, 12, 12)
    noted: dict[Hashable, torch.memory_format] = {}

    def turned(rows: Tensor) -> Tensor:
        return after(before(rows).flatten(2).transpose(1, 2).contiguous().transpose(1, 2).view(rows.shape))

    alone = []
    for part in rows.split([1, 3]):
        with wearing([(None, len(part))]), Layouts(noted):
            alone.append(turned(part))
    with wearing([(None, 1), (None, 3)]), AsAlone(noted):
        nn.functional.conv2d(rows, values(1, 8, 8, 1, 1))  # as what LoRAs add
        together = turned(rows)

    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("is_whole", [True, False])
def test_compiled_code_is_not_compiled_again_for_company(is_whole: bool) -> None:
    class Block(nn.Sequential):
        def forward(self, sample: Tensor) -> Tensor:  # torch compiles no forward pass of its own for itself
            return super().forward(sample)

    graphs = []

    def compiler(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    module: Any = nn.Sequential(Block(nn.Linear(64, 64)), nn.Linear(64, 64))
    if is_whole:
        module = torch.compile(module, backend=compiler, dynamic=True)
    else:
        module[0].compile(backend=compiler, dynamic=True)
    room = Room(module)
    for rows in (1, 2):  # one row is compiled apart from several
        module(values(0, rows, 64))
    before = len(graphs)

    room.develop(*[room.admit(sample=values(seed, rows, 64)) for seed, rows in enumerate([1, 2, 3, 1, 5])])

    assert len(graphs) == before == 2
    assert room.reasons == []


def test_frames_folded_into_the_rows_are_told_apart_and_what_is_no_row_is_left_alone() -> None:
    class Folding(Deep):
        def forward(self, sample: Tensor) -> Tensor:  # type: ignore[override]
            self.seen.append(len(sample))
            frames = self.layers(sample.flatten(0, 1)).unflatten(0, sample.shape[:2])
            number = torch.sigmoid(values(1, 1)[0]) + nn.functional.linear(values(2, 24), values(3, 1, 24))
            nothing = nn.functional.silu(values(4, 0, 8))
            return frames + self.layers[0](input=values(0, 8, 8, 8)) + number + nothing.sum()

    module = Folding(*(nn.Conv2d(8, 8, 3, padding=1) for _ in range(2)))

    assert equals_alone(module, 4, 8, 8, 8)
