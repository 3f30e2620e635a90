"""Fleets on real engines: processes of this machine, a dask cluster; workers are killed."""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib.util
import os
import sys
import textwrap
import typing as t
from pathlib import Path

import pytest

from flask_schemaflow import Action
from flask_schemaflow import migrate_tenant
from flask_schemaflow import migrate_tenants
from flask_schemaflow import Tenant

from ..support import processes
from ..support.servers import unavailable
from .conftest import CREATE
from .conftest import TenantProject

INSERT = 'op.execute("INSERT INTO person (id) VALUES (1)")'
NAMES = [f"t{number}" for number in range(4)]


def needs(module: str) -> None:
    """Skip where the libraries of the group ``tests`` are missing: with the oldest versions, which do without."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")


def die(path: Path, schema: str = "", once: bool = True) -> str:
    """Return the code of a revision that kills its process, the first time it runs or always."""
    lines = [
        "import os, pathlib, signal",
        f"path = pathlib.Path({str(path)!r})",
        f"here = op.get_bind().scalar(sa.text('SELECT current_schema()')) == {schema!r}" if schema else "here = True",
        f"if here and not (path.exists() and {once}):",
        "    path.touch()",
        "    os.kill(os.getpid(), signal.SIGKILL)",
    ]
    return "\n".join(lines)


@pytest.fixture
def fleet(schema_project: TenantProject) -> TenantProject:
    schema_project.history(("a1", None, f"{CREATE}\n{INSERT}"))
    schema_project.schemas(*NAMES)
    return schema_project


def done_once(project: TenantProject, names: t.Sequence[str] = NAMES) -> bool:
    return all(project.query(f"SELECT id FROM {name}.person") == [(1,)] for name in names)


def test_processes_share_the_work_and_survive_a_kill(fleet: TenantProject, tmp_path: Path) -> None:
    """A worker is killed in the middle of a revision: every tenant is migrated once, and the fleet succeeds."""
    fleet.history(("a2", "a1", die(tmp_path / "died")))
    done = fleet.project.run("db", "upgrade", "--all-tenants", "--jobs", "2")
    assert "4 tenants: 4 changed" in done.stdout
    assert (tmp_path / "died").exists()
    assert done_once(fleet)
    assert "a2 (head)  4" in fleet.db("status", "--all-tenants")


def test_a_tenant_that_kills_its_worker_is_named(fleet: TenantProject, tmp_path: Path) -> None:
    """The others are done, and it alone has failed."""
    fleet.history(("a2", "a1", die(tmp_path / "died", "t3", once=False)))
    done = fleet.project.run("db", "upgrade", "--all-tenants", "--jobs", "2", check=False)
    assert done.returncode == 1
    assert "failed: t3\n  [SF528]: The worker process ended in the middle of it, twice." in done.stdout
    assert "3 changed" in done.stdout
    assert fleet.query("SELECT count(*) FROM pg_tables WHERE schemaname = 't3'") == [(0,)]


def test_threads_and_executors_of_the_caller(fleet: TenantProject) -> None:
    """One function is given to any executor; its record names the worker and the revisions."""
    with fleet.project.app().app_context():
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            report = migrate_tenants(names=NAMES[:2], executor=pool, jobs=2)
        assert report.counts == {"changed": 2}
        assert migrate_tenants(executor="threads", jobs=2).counts == {"unchanged": 2, "changed": 2}
    result = migrate_tenant(fleet.project.app(), Tenant("t0", schema="t0"), Action("downgrade", "base", yes=True))
    assert (result.outcome, result.revisions) == ("changed", ("a1",))
    assert result.worker.endswith(f":{os.getpid()}")


def test_an_unknown_executor_is_refused(fleet: TenantProject) -> None:
    """By a sentence that says which there are."""
    for choice in ("cluster", "nowhere:function", "shop:create_app"):
        assert f"{choice!r} is no executor" in fleet.db(
            "upgrade", "--all-tenants", "--executor", choice, status=2
        )


@contextlib.contextmanager
def running(command: t.Sequence[str], folder: Path) -> t.Iterator[None]:
    root = {"C_FORCE_ROOT": "1"} if os.geteuid() == 0 else {}  # or Celery refuses pickled tasks
    process = processes.start(command, cwd=folder, env={"PYTHONPATH": str(folder), **root})
    try:
        yield
    finally:
        process.terminate()
        with contextlib.suppress(Exception):
            process.communicate(timeout=20)
        processes.end(process)


@pytest.mark.slow
def test_a_dask_cluster_migrates_each_tenant_once(fleet: TenantProject, tmp_path: Path) -> None:
    """A scheduler and two worker processes, of which one is killed in the middle of a revision."""
    needs("distributed")
    fleet.history(("a2", "a1", die(tmp_path / "died")))
    found, root = tmp_path / "scheduler.json", fleet.project.root
    dask = [sys.executable, "-m", "distributed.cli."]
    scheduler = [*dask[:2], dask[2] + "dask_scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(found)]
    worker = [*dask[:2], dask[2] + "dask_worker", "--scheduler-file", str(found), "--no-dashboard", "--nthreads", "1"]
    with running(scheduler, root), running([*worker, "--nworkers", "2"], root):
        written = lambda: found.exists() and found.read_text().rstrip().endswith("}")  # noqa: E731
        processes.wait_until(written, "the scheduler's start")
        import json

        address = json.loads(found.read_text())["address"]
        done = fleet.project.run("db", "upgrade", "--all-tenants", "--executor", f"dask:{address}", "--jobs", "2")
    assert "4 tenants: 4 changed" in done.stdout
    assert (tmp_path / "died").exists()
    assert done_once(fleet)


CELERY_PAGE = Path(__file__).parents[2] / "docs" / "howto" / "tenant-fleets.rst"


@pytest.mark.slow
def test_celery_migrates_each_tenant_once(fleet: TenantProject, tmp_path: Path) -> None:
    """The page's adapter with a real broker; one of two worker processes is killed in the middle of a revision."""
    needs("celery")
    broker = redis_url()
    source = CELERY_PAGE.read_text("utf-8").split("**Celery.**")[1].split(".. code-block:: python\n")[1]
    code = textwrap.dedent(source.split("\n.. code-block::")[0])
    for address in ("redis://localhost/0", "redis://localhost/1"):
        assert address in code
        code = code.replace(address, broker)
    queue = f"schemaflow-{os.getpid()}-{tmp_path.name}"  # of this test alone
    fleet.project.write("shop/tasks.py", f"{code}\ncelery.conf.task_default_queue = {queue!r}\n")
    fleet.history(("a2", "a1", die(tmp_path / "died")))
    options = ["--concurrency", "2", "--pool", "prefork", "--loglevel", "ERROR"]
    worker = [sys.executable, "-m", "celery", "-A", "shop.tasks", "worker", *options]
    with running(worker, fleet.project.root):
        executor = ("--executor", "shop.tasks:CeleryExecutor", "--jobs", "2")
        done = fleet.project.run("db", "upgrade", "--all-tenants", *executor)
    assert "4 tenants: 4 changed" in done.stdout
    assert (tmp_path / "died").exists()
    assert done_once(fleet)


def redis_url() -> str:
    """Return the address of Redis, as the variable or the default of CI has it."""
    url = os.environ.get("SCHEMAFLOW_TEST_REDIS_URL", "redis://127.0.0.1:6379/0")
    import redis

    try:
        redis.Redis.from_url(url).ping()
    except redis.exceptions.ConnectionError as error:
        unavailable(f"no Redis at {url}: start one, or point SCHEMAFLOW_TEST_REDIS_URL at one ({error})")
    return url
