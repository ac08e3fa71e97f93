class EngineError(Exception):
    """The root of what the engine itself raises."""


class NotAdopted(EngineError):
    """Raised when a pipeline is submitted whose modules this engine has not adopted."""


class ModuleInUse(EngineError):
    """Raised on adopting a module that another engine has, and on releasing one that runs in flight need."""


class DeadlinePassed(EngineError):
    """Raised from a future whose run was not done within its deadline."""


class EngineClosed(EngineError):
    """Raised from the futures of runs that were in flight when the engine closed, and on submitting after that."""


class SharedModuleChanged(EngineError):
    """Raised inside a run that tries to move, cast or re-equip a module which other runs share."""


class Aborted(BaseException):
    """Thrown into a run at its parked call to end it.

    Not an Exception: a pipeline that catches those, to fall back or to retry, must not survive it.
    """
