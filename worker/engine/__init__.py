"""Many stock pipelines in common forward passes.

    run 1   pipeline(...) ──unet──> parks ┐                                    ┌ resumes with its rows ──unet──> ...
    run 2   pipeline(...) ──unet──> parks ┼── stack ── one forward ── split ──┼ resumes with its rows ──vae──> ...
    run 3   pipeline(...) ──text──> parks ┘  (what fits)                      └ (run 3: the next batch)

Each submitted pipeline call is a *run* in a greenlet of its own. The modules stay the objects they are; only their
`forward`, `decode` and `encode` are rerouted: inside a run, a *call* of them parks, and the next run goes on. When all
are parked, those calls that fit together form a *batch*: one forward pass answers them, and each run resumes with its
rows. So runs join and leave at every step, and the pipelines in between are the ones their authors wrote.

Why greenlets: a pipeline is a plain function, 600 lines deep in loops and context managers, that calls its module
somewhere inside. A greenlet leaves it there and comes back, without a thread each, without a lock, and in an order
that is always the same.

`rows/` and `isolation/` know no calls and no runs: what happens to rows of tensors, and what each run has of its own.

The rules:
1. Whether two calls fit is computed from the calls: the method, the arguments' structure, dtypes, shapes beyond
   dimension 0, and the values of all that is no row. Nothing here knows a model's arguments by name. A call that lacks
   an optional argument made of rows may get zeros for it, if the check (3) finds that they do nothing.
2. Only what can be compared is stacked. An argument or a result of unknown kind makes its call a lone one.
3. The first meeting of a kind is checked against lone answers, and where they differ the kind is never stacked again.
   A few calls meet for all that wait, and kinds that have met any of a circle belong to it.
   It is repeated with other values: what a module takes from the first row for all has to be alike from then on.
   On a CPU, each call of a stacked pass is rounded as alone: a difference of 1e-7 can grow to 1e-2 in a few steps.
   Not so where parts of a module are compiled: their code rounds in its own way anyway.
4. A batch that fails is answered again one by one, so only the culprit's run fails; out of memory, in halves.
5. Runs share weights and nothing else: each has its own pipeline object and schedulers. A pipeline that changes a
   shared module while it runs is noticed before the change meets a forward pass: the others wait until it is put back,
   and where that takes more than one call, such pipelines run exclusively from then on. What is set is noted by
   `nn.Module.__setattr__`, which the engine wraps for the whole process.
6. Equal lookups (calls with nothing but integers, such as a text's tokens) are answered once and remembered.
7. The hub has no clock, thread or I/O. The engine has the one thread; torch's thread state (gradients off) is
   set once, where it starts. The global random generators are each run's own while it has the thread, and while a
   call of its is answered alone.
8. A run ends early by `Aborted` thrown into its greenlet where it is parked: cancelled, past its deadline, closed.
"""

from worker.engine.engine import Engine
from worker.engine.errors import DeadlinePassed, EngineClosed, EngineError, ModuleInUse, NotAdopted, SharedModuleChanged
from worker.engine.rows.wearing import Adapters, worn
from worker.engine.stats import EngineStats, ModuleStats, NeverStacked
from worker.engine.steps import OnStep

__all__ = [
    "Adapters",
    "DeadlinePassed",
    "Engine",
    "EngineClosed",
    "EngineError",
    "EngineStats",
    "ModuleInUse",
    "ModuleStats",
    "NeverStacked",
    "NotAdopted",
    "OnStep",
    "SharedModuleChanged",
    "worn",
]
