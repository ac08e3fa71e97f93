from typing import Any

import pytest
import torch
from torch import Tensor, nn

from worker.engine.adoption import Method
from worker.engine.call import Call
from worker.engine.isolation.fingerprint import Fingerprint


class Module(nn.Module):
    def forward(self, sample: Tensor, timestep: Any = 0, *, extra: Any = None, flag: bool = False) -> Tensor:
        raise NotImplementedError


MODULE = Module()
METHOD = Method("model", "module", MODULE.forward, Fingerprint(MODULE))


def call(*args: Any, **kwargs: Any) -> Call:
    return Call(METHOD, args, kwargs)


def zeros(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.zeros(shape, dtype=dtype)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (call(zeros(1, 4)), call(torch.ones(3, 4))),
        (call(zeros(1, 4), 0), call(timestep=0, sample=zeros(1, 4))),
        (call(zeros(1, 4), extra=None, flag=False), call(zeros(1, 4))),
        (call(zeros(1, 4), torch.tensor(3)), call(zeros(1, 4), torch.tensor(9))),
        (call(zeros(1, 4), zeros(1)), call(zeros(2, 4), zeros(2))),
        (call(zeros(1, 4), extra={"ids": zeros(5, 3)}), call(zeros(1, 4), extra={"ids": zeros(5, 3)})),
        (call(zeros(1, 4), extra=(1, "a", torch.float16)), call(zeros(1, 4), extra=(1, "a", torch.float16))),
        (call([zeros(4, 1)], zeros(1)), call([zeros(4, 1), zeros(4, 1)], zeros(2))),
    ],
    ids=["rows", "order", "defaults", "timesteps", "vectors", "equal shared tensors", "equal values", "lists of rows"],
)
def test_calls_that_fit_together_have_the_same_signature(one: Call, other: Call) -> None:
    assert one.exact == other.exact is not None
    assert one.loose == other.loose


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (call(zeros(1, 4)), call(zeros(1, 5))),
        (call(zeros(1, 4)), call(zeros(1, 4, dtype=torch.float16))),
        (call(zeros(1, 4), 1), call(zeros(1, 4), 2)),
        (call(zeros(1, 4), 1), call(zeros(1, 4), True)),
        (call(zeros(1, 4), 1), call(zeros(1, 4), torch.tensor(1))),
        (call(zeros(1, 4), extra=zeros(5)), call(zeros(1, 4), extra=torch.ones(5))),
        (call(zeros(1, 4), extra=[1, 2]), call(zeros(1, 4), extra=(1, 2))),
        (call(zeros(1, 4), extra={"a": 1}), call(zeros(1, 4), extra={"b": 1})),
        (call(zeros(1, 4), zeros(1, dtype=torch.float16)), call(zeros(1, 4), zeros(1))),
    ],
    ids=["shape", "type", "value", "kind", "number or tensor", "shared", "structure", "names", "half numbers"],
)
def test_calls_that_do_not_fit_together_have_different_signatures(one: Call, other: Call) -> None:
    assert one.exact != other.exact
    assert one.loose != other.loose


def test_number_types_that_are_exact_in_each_others_stead_fit_loosely() -> None:
    one, other = call(zeros(1, 4), torch.tensor(3)), call(zeros(1, 4), torch.tensor(3.5))

    assert one.exact != other.exact
    assert one.loose == other.loose


def test_lists_of_rows_fit_loosely_whatever_the_sizes_of_their_tensors() -> None:
    one, other = call([zeros(4, 1)], extra=[zeros(5)]), call([zeros(4, 2)], extra=[zeros(7)])

    assert one.rows == other.rows == 1
    assert one.exact != other.exact
    assert one.loose == other.loose


def test_a_list_behind_a_tensor_of_rows_is_no_list_of_rows() -> None:
    several = call(zeros(2, 4), extra=[zeros(2, 3), zeros(2, 3)])

    assert several.listed == 0
    assert several.rows == 2


@pytest.mark.parametrize(
    ("lone", "reason"),
    [
        (call(zeros(1, 4), extra=object()), "an argument holds a object, which cannot be compared"),
        (call(zeros(1, 4), extra=[{"cache": {1, 2}}]), "an argument holds a set, which cannot be compared"),
        (call(zeros(1, 4).to_sparse()), "an argument holds a tensor of shape (1, 4), which cannot be compared"),
        (call("text"), "no argument is a tensor with rows"),
    ],
)
def test_what_cannot_be_compared_is_answered_alone(lone: Call, reason: str) -> None:
    assert lone.alone_because == reason
    assert lone.exact is lone.loose is None
