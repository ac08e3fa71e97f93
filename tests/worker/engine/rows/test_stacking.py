from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from transformers.modeling_outputs import BaseModelOutputWithPooling

from worker.engine.rows.stacking import CannotStack, Kind, flatten, rebuild, split, stack


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass
class Distribution:
    mean: torch.Tensor
    is_sharp: bool = False


@pytest.mark.parametrize(
    "tree",
    [
        1,
        (1, [2, {"a": 3, "b": (None, "x")}]),
        Pair(1, [2]),
        OrderedDict(a=1, b=2),
        torch.Size([2, 3]),
        [],
    ],
)
def test_a_flattened_tree_is_rebuilt_as_it_was(tree: Any) -> None:
    leaves: list[Any] = []

    structure = flatten(tree, leaves)
    rebuilt = rebuild(structure, iter(leaves))

    assert rebuilt == tree
    assert type(rebuilt) is type(tree)
    hash(structure)


def test_rows_are_joined_numbers_expanded_and_shared_values_passed_on() -> None:
    shared = torch.eye(2)
    one = [torch.zeros(1, 2), torch.tensor(7), shared, "text"]
    other = [torch.ones(2, 2), torch.tensor(0.5), shared.clone(), "text"]

    rows, numbers, common, text = stack([one, other], [Kind.ROWS, Kind.SCALAR, Kind.SHARED, Kind.SHARED], [1, 2])

    assert torch.equal(rows, torch.tensor([[0.0, 0.0], [1.0, 1.0], [1.0, 1.0]]))
    assert torch.equal(numbers, torch.tensor([7.0, 0.5, 0.5]))
    assert common is shared
    assert text == "text"


def test_the_output_classes_of_the_model_libraries_are_split_by_rows() -> None:
    sample = torch.arange(6.0).view(3, 2)
    results = [
        UNet2DConditionOutput(sample=sample),
        BaseModelOutputWithPooling(last_hidden_state=sample, hidden_states=(sample, sample + 1)),
    ]

    first, second = split(results[0], [1, 2])
    text_first, text_second = split(results[1], [1, 2])

    assert isinstance(first, UNet2DConditionOutput)
    assert torch.equal(first.sample, sample[:1])
    assert torch.equal(second.sample, sample[1:])
    assert torch.equal(text_first.hidden_states[1], sample[:1] + 1)
    assert torch.equal(text_second.last_hidden_state, sample[1:])
    assert text_second.pooler_output is None


def test_the_parts_do_not_keep_the_whole_alive() -> None:
    whole = torch.zeros(3, 2)

    part, _ = split(whole, [1, 2])

    assert part.untyped_storage().nbytes() == whole[:1].nbytes


@pytest.mark.parametrize(
    "result",
    [Distribution(torch.zeros(4, 2)), torch.zeros(4, 2), torch.tensor(1.0), (torch.zeros(3), {1})],
    ids=["too many rows in an object", "too many rows", "no rows", "a set"],
)
def test_a_result_without_a_row_for_each_row_cannot_be_split(result: Any) -> None:
    with pytest.raises(CannotStack, match="its result holds"):
        split(result, [1, 2])


def test_an_object_that_is_made_of_tensors_and_plain_values_is_split_into_such_objects() -> None:
    first, second = split(Distribution(torch.arange(3.0), is_sharp=True), [1, 2])

    assert (first.mean.tolist(), second.mean.tolist()) == ([0.0], [1.0, 2.0])
    assert first.is_sharp is second.is_sharp is True


def test_lists_of_one_tensor_a_row_are_joined_and_split() -> None:
    first, second = [torch.ones(2, 1), torch.ones(3, 1)], [torch.zeros(4, 1)]

    joined, times = stack([[first, torch.ones(2)], [second, torch.tensor(3)]], [Kind.LISTED, Kind.SCALAR], [2, 1])
    parts = split((joined,), [2, 1], are_listed=True)

    assert [len(tensor) for tensor in joined] == [2, 3, 4]
    assert times.tolist() == [1, 1, 3]
    assert [[len(tensor) for tensor in part] for (part,) in parts] == [[2, 3], [4]]
