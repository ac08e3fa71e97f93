from collections.abc import Callable, Collection, Hashable, Sequence

from worker.engine.call import Call
from worker.engine.run import Run


def choose(parked: Sequence[Call], group: Callable[[Call], Hashable], row_limit: Callable[[Call], int]) -> list[Call]:
    """Returns the next batch: the oldest call, and those behind it that fit, oldest first, up to the row limit.

    Every call becomes the oldest in time, so none starves. `group` is None for a call to be answered alone.
    """
    oldest, *others = parked
    batch, rows, key, limit = [oldest], oldest.rows, group(oldest), row_limit(oldest)
    if key is None:
        return batch
    for call in others:
        if rows + call.rows <= limit and group(call) == key:
            batch.append(call)
            rows += call.rows
    return batch


def may_go_on(run: Run, runs: Sequence[Run], exclusive: Collection[Run], changing: Collection[Run]) -> bool:
    """Decides whether a run may go on among `runs`, which stand in the order of their admission.

    Where modules are shared, an exclusive run waits for all before it, and all behind it wait for it; while a run
    has a shared module changed, only that run goes on.
    """
    if not exclusive or run in changing:
        return True
    sharing = [other for other in runs if other is run or not run.adoptions.isdisjoint(other.adoptions)]
    older = sharing[: sharing.index(run)]
    if any(other in changing for other in sharing):
        return False
    return not older if run in exclusive else not any(other in exclusive for other in older)
