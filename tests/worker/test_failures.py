import pytest
import torch
from obstore.exceptions import GenericError

from app.contract.errors import DeadlinePassed, OutOfMemory, OutputUnstored
from worker import engine
from worker.failures import translated
from worker.queue import WorkerBroken


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), OutOfMemory),
        (engine.DeadlinePassed("late"), DeadlinePassed),
        (GenericError("no such bucket"), OutputUnstored),
        (engine.EngineClosed("the thread ended"), WorkerBroken),
    ],
)
def test_what_libraries_raise_becomes_an_error_that_a_caller_can_read(
    foreign: Exception, ours: type[Exception]
) -> None:
    with pytest.raises(ours) as raised, translated():
        raise foreign

    assert raised.value.__cause__ is foreign
    assert str(foreign) not in str(raised.value)


def test_what_the_storage_said_is_in_the_log_without_the_insides_of_its_client(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(OutputUnstored), translated():
        raise GenericError("403 Forbidden: AccessDenied\n\nDebug source:\nRetryError")

    assert caplog.messages == ["The storage does not take the pictures: 403 Forbidden: AccessDenied"]


def test_what_nobody_expected_passes_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), translated():
        _ = 1 / 0
