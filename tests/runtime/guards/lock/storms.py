"""Many processes that do one thing to one database at one moment.

They are forked from one process that has imported the application, so that twenty cost little more than one.
"""

from __future__ import annotations

import textwrap

from ....support import processes
from ....support.application import Project

_STORM = """
import os, traceback

import flask_schemaflow.commands.database
import flask_schemaflow.runtime.env
import flask_schemaflow.runtime.guards.registry
from shop import create_app, db

def work(number):
    app = create_app()
    with app.app_context():
        {work}
        for engine in db.engines.values():
            engine.dispose()

reading, writing = os.pipe()
children = []
for number in range({count}):
    pid = os.fork()
    if pid == 0:
        os.close(writing)
        os.read(reading, 1)  # until the last is there
        try:
            work(number)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    children.append(pid)
os.close(writing)
failed = sum(os.waitpid(pid, 0)[1] != 0 for pid in children)
print(failed, "of", {count}, "failed")
"""


def storm(project: Project, work: str, count: int = 20) -> processes.Result:
    """Run ``work`` (source text, with ``app``, ``db`` and ``number``) in ``count`` processes at once."""
    body = textwrap.indent(textwrap.dedent(work).strip(), " " * 8).strip()
    return project.run_python(_STORM.format(work=body, count=count), timeout=240)
