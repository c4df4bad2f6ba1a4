"""An executor: it runs a sweep's missing cells somewhere. One file = one executor.

An executor file defines

    run(tasks: Sequence[Task], *, jobs: int) -> Iterator[Finished]

and yields each task's end as it comes. The truth about a cell is its result file, never what an executor says.
"""
