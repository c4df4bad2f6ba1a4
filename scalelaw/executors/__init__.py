"""Executors: plug-ins that run the missing tasks of a sweep. Each file is one executor.

An executor file defines

    run(tasks: Sequence[Task], *, jobs: int) -> Iterator[Finished]      # both in scalelaw.jobs.task

and yields one `Finished` per task, in any order, but never before the tasks in its `after` have ended. A `blocked` task
is not started: it ends with code None. Closing the iterator, or an interrupt, ends every process that the executor
started, with its children. The death of the caller does the same, except for jobs in the queue of a cluster, which the
next run takes over. Every task runs with one thread, so that no result depends on `jobs` or on the executor. The
resources of a task are in its `needs`; a task that a signal or its node ended (`ended_from_outside`) is restarted up to
`needs.retries` times. The state of a task is its result file, not the report of an executor.

An executor may also define a keyword `settings` of `run`, the keys under `resources.settings`;
`jobs_for(settings) -> int`, the default number of parallel tasks (otherwise 1); and
`asks(tasks, *, jobs, settings) -> list[dict]`, the requests that --dry-run prints. All of them raise InputError for
requests that cannot be met.
"""
