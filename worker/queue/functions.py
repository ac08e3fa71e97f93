"""The functions that a job may name. They are told apart by their names alone: nothing that Redis says is imported."""

from dataclasses import dataclass

from pydantic import BaseModel

from app.contract import names
from app.contract.delivery import Delivery, Receipt
from app.contract.generation import Generation
from app.contract.job import Development


@dataclass(frozen=True)
class Function:
    """What a job's one argument is, and what its result."""

    argument: type[BaseModel]
    result: type[BaseModel]


FUNCTIONS = {
    names.JOB_FUNCTION: Function(Generation, Development),
    names.DELIVERY_FUNCTION: Function(Delivery, Receipt),
}
