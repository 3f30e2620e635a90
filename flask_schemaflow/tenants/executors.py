"""Executors for a fleet: processes of this machine, threads, a dask cluster, or whatever an application brings.

All of them are :class:`concurrent.futures.Executor`; none is made here. What an engine does about its queue, its
machines and its workers that die is the engine's.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import gc
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
import typing as t

from .._lazy import resolve
from ..errors.arguments import InvalidArgument

PROCESSES = "processes"
THREADS = "threads"

_OBJECTS = 3_000  # until a collection, as in the commands' own process; each tenant makes about as many
_GRACE = 30.0  # seconds that a worker has to roll back after its parent has gone

P = t.ParamSpec("P")
R = t.TypeVar("R")


class InlineExecutor(concurrent.futures.Executor):
    """Runs each call at once, in the thread that submits it."""

    def submit(self, fn: t.Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> concurrent.futures.Future[R]:
        future: concurrent.futures.Future[R] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


@contextlib.contextmanager
def opened(choice: str | concurrent.futures.Executor, jobs: int) -> t.Iterator[concurrent.futures.Executor]:
    """Open an executor, and close it after the block.

    :param choice: ``processes``, ``threads``, ``dask:ADDRESS``, the name of a function ``module:function`` that returns
        an executor, or an executor, which stays open.
    :param jobs: how many tenants are worked on at the same time; a cluster has its own number of workers.
    :raises InvalidArgument: for anything else.
    """
    if isinstance(choice, concurrent.futures.Executor):
        yield choice
    elif choice == PROCESSES and jobs == 1:
        yield InlineExecutor()
    elif choice.startswith("dask:"):
        with _dask(choice.removeprefix("dask:")) as cluster:
            yield cluster
    else:
        with _local(choice, jobs) as executor:
            yield executor


def _local(choice: str, jobs: int) -> concurrent.futures.Executor:
    if choice == PROCESSES:
        context = multiprocessing.get_context("spawn")  # a fork would share the application's connections
        return concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin_worker)
    if choice == THREADS:
        return concurrent.futures.ThreadPoolExecutor(jobs, thread_name_prefix="schemaflow-tenant")
    if ":" not in choice:
        raise _unknown(choice)
    try:
        executor = resolve(choice)()
    except (ImportError, AttributeError, ValueError) as error:
        raise _unknown(choice, str(error)) from error
    if not isinstance(executor, concurrent.futures.Executor):
        raise _unknown(choice, f"it returned {type(executor).__name__}, which is no concurrent.futures.Executor")
    return executor


def _unknown(choice: str, reason: str = "") -> InvalidArgument:
    return InvalidArgument(
        f"{choice!r} is no executor{': ' * bool(reason)}{reason}.",
        hint="Use processes, threads, dask:ADDRESS such as dask:tcp://scheduler:8786, or module:function, the name of "
        "a function that returns an executor.",
    )


@contextlib.contextmanager
def _dask(address: str) -> t.Iterator[concurrent.futures.Executor]:
    try:
        client_class: t.Any = resolve("distributed:Client")
    except ImportError as error:
        raise InvalidArgument(
            "The executor dask needs dask.distributed, which isn't installed.", hint="pip install distributed"
        ) from error
    try:
        client = client_class(address or None)
    except (OSError, ValueError, TimeoutError) as error:
        raise InvalidArgument(
            f"No dask scheduler answers at {address}: {error}.", hint="Give its address: dask:tcp://HOST:8786"
        ) from error
    with client:
        # pure=False: dask must not take the result of an earlier, equal call for the answer.
        yield client.get_executor(pure=False)


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, which lets a tenant come to its end, and end when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
    atexit.register(_leave)  # before the application is loaded, so that its own functions run first
    threading.Thread(target=_end_with_parent, name="schemaflow-parent", daemon=True).start()


def _leave() -> None:
    """End the process without taking its modules apart, which costs as much as ten tenants."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)  # a migration is rolled back first
    time.sleep(_GRACE)
    os._exit(1)


def end_workers(before: t.Collection[int | None]) -> None:
    """Send SIGTERM to the worker processes that this process has started.

    :param before: the ids of processes to leave alone.
    """
    for child in multiprocessing.active_children():
        if child.pid not in before:
            child.terminate()
