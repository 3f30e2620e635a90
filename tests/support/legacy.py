"""The env.py files that people have: Flask-Migrate's templates of every generation, from its own packages.

The archives are fetched with pip when first needed and kept in ``.cache/flask-migrate`` below the
repository (``SCHEMAFLOW_TEST_CACHE`` names another folder). ``python -m tests.support.legacy`` fetches all
of them beforehand. No template is kept in this repository, so none can drift from what was published.
"""

from __future__ import annotations

import concurrent.futures
import functools
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import typing as t
import zipfile
from pathlib import Path

from . import processes
from .servers import unavailable

Kind = t.Literal["single", "multidb", "aioflask", "aioflask-multidb"]

# One release for each set of template files that differs from the set before it: the last of its run,
# or the last that is a wheel. 0.1.0 was published without any.
_SINGLE = (
    "0.1.4 1.3.1 1.5.0 2.0.0 2.0.3 2.3.0 2.3.1 2.4.0 2.5.2 2.5.3 2.6.0 3.0.0 3.0.1 3.1.0 "
    "4.0.0 4.0.2 4.0.3 4.0.4 4.1.0"
)
_MULTIDB = "1.5.0 2.0.0 2.0.3 2.3.1 2.4.0 2.5.2 2.5.3 2.6.0 3.0.0 3.0.1 3.1.0 4.0.0 4.0.2 4.0.3 4.0.4 4.1.0"
_AIOFLASK = "3.1.0 4.0.0 4.0.2 4.0.3 4.0.4 4.1.0"
VERSIONS: dict[Kind, tuple[str, ...]] = {
    "single": tuple(_SINGLE.split()),
    "multidb": tuple(_MULTIDB.split()),
    "aioflask": tuple(_AIOFLASK.split()),
    "aioflask-multidb": tuple(_AIOFLASK.split()),
}
OFTEN = ("1.5.0", "2.0.0", "2.6.0", "4.1.0")
"""Versions that each run of the tests tries; the others cost a download each and are tried once a week."""
_FOLDERS: dict[Kind, str] = {
    "single": "flask",
    "multidb": "flask-multidb",
    "aioflask": "aioflask",
    "aioflask-multidb": "aioflask-multidb",
}
_TEMPLATE = re.compile(r"(?:^|/)flask_migrate/templates/([^/]+)/([^/]+)$")


def cache_directory() -> Path:
    """Return the folder that keeps the downloaded archives."""
    default = Path(__file__).parents[2] / ".cache" / "flask-migrate"
    return Path(os.environ.get("SCHEMAFLOW_TEST_CACHE", default))


def versions(kind: Kind, *, often: bool = False) -> tuple[str, ...]:
    """Return the versions with templates of this kind, or those of them that each run tries."""
    return tuple(version for version in VERSIONS[kind] if not often or version in OFTEN)


def write_repository(folder: Path, version: str, kind: Kind = "single") -> None:
    """Write into *folder* what ``flask db init`` of that Flask-Migrate *version* wrote.

    Ends the test when the package can't be had.
    """
    (folder / "versions").mkdir(parents=True, exist_ok=True)
    for name, content in templates(version, kind).items():
        if name == "alembic.ini.mako":
            (folder / "alembic.ini").write_text(_render(content), "utf-8")
        else:
            (folder / name).write_bytes(content)


@functools.cache
def templates(version: str, kind: Kind) -> dict[str, bytes]:
    """Return the template files of a version by name, as published."""
    wanted = _FOLDERS[kind]
    found = {}
    for path, read in _members(_archive(version)):
        match = _TEMPLATE.search(path)
        if match and match[1] == wanted and not path.endswith(".pyc"):
            found[match[2]] = read()
    if not found:
        raise LookupError(f"Flask-Migrate {version} has no template {wanted!r}")
    return found


def fetch_all() -> None:
    """Download every version that is listed here and not in the cache."""
    versions = sorted(set().union(*VERSIONS.values()))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(_fetch, versions))


def _render(ini: bytes) -> str:
    from mako.template import Template

    return str(Template(ini.decode()).render(script_location="migrations"))


def _members(archive: Path) -> t.Iterator[tuple[str, t.Callable[[], bytes]]]:
    if archive.suffix == ".gz":
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                if stream := tar.extractfile(member):
                    yield member.name, stream.read
    else:
        with zipfile.ZipFile(archive) as zipped:
            for name in zipped.namelist():
                yield name, functools.partial(zipped.read, name)


def _archive(version: str) -> Path:
    found = _cached(version)
    if found is None:
        problem = _unreachable() or _try_fetch(version)
        found = _cached(version)
        if found is None:
            unavailable(f"Flask-Migrate {version} could not be downloaded with pip: {problem}")
    return found


def _cached(version: str) -> Path | None:
    return next(iter(cache_directory().glob(f"[Ff]lask[-_][Mm]igrate-{version}[-.][!0-9]*")), None)


_problems: list[str] = []


def _unreachable() -> str:
    """Return the reason of the first failed download: without a network each try waits for a time-out."""
    return _problems[0] if _problems else ""


def _try_fetch(version: str) -> str:
    try:
        _fetch(version)
    except subprocess.CalledProcessError as error:
        _problems.append(error.stderr.strip().splitlines()[-1])
        return _problems[-1]
    return ""


def _fetch(version: str) -> None:
    if _cached(version) is not None:
        return
    target = cache_directory()
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target) as folder:
        requirement = f"Flask-Migrate=={version}"
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", folder, requirement]
        environment = processes.clean_environment(**processes.with_certificates())
        subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        for archive in Path(folder).iterdir():
            archive.replace(target / archive.name)  # atomic: workers may fetch the same


if __name__ == "__main__":
    fetch_all()
