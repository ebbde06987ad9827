"""What the scripts install is pinned and whole: nothing is left to be resolved then.

`requires.json` says what each pinned package needs, on every Python that the locks are for; so this
asks no network, and no package has to be installed.
"""

import functools
import importlib.metadata
import json
import re
import tomllib
from pathlib import Path

import lock as locks
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
REQUIRES = {
    (canonicalize_name(name), version): requires
    for pin, requires in json.loads(locks.REQUIRES.read_text(encoding="utf-8")).items()
    for name, version in [pin.split("==")]
}
INSTALLED = {lock: (locks.BUILD, lock) for lock in locks.LOCKS}  # together, by scripts/setup.sh


def environment(python: str) -> dict[str, str]:
    """What markers ask of a Python on Linux."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "platform_release": "",
        "platform_version": "",
    }


def applies(requirement: Requirement, python: str, extras: tuple[str, ...] = ()) -> bool:
    marker = requirement.marker
    return marker is None or any(
        marker.evaluate({**environment(python), "extra": extra}) for extra in ("", *extras)
    )


def entries(lock: str) -> list[str]:
    """The lock's entries, an entry a line."""
    return (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()


@functools.cache
def pins(lock: str, python: str) -> dict[str, str]:
    """Versions of what is installed of a lock on a Python."""
    pinned = [Requirement(entry.split("--hash")[0]) for entry in entries(lock)]
    return {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pinned
        if applies(pin, python)
    }


@functools.cache
def needs(name: str, version: str, python: str, extras: frozenset[str]) -> tuple[Requirement, ...]:
    found = map(Requirement, REQUIRES[name, version])
    return tuple(r for r in found if applies(r, python, tuple(extras)))


def unmet(wanted: list[str], pinned: dict[str, str], python: str) -> tuple[list[str], set[str]]:
    """Requirements that no pin meets, those of the pins included; and all packages needed."""
    todo = [("emoasr", r) for r in map(Requirement, wanted) if applies(r, python)]
    seen, missing = set(), []
    while todo:
        by, requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        version = pinned.get(name)
        if version is None or not requirement.specifier.contains(version, prereleases=True):
            missing.append(f"{by} needs {requirement}; pinned: {version}")
        elif (name, version) not in REQUIRES:
            missing.append(f"{name}=={version}: not in requires.json; run scripts/lock.py")
        elif (name, extras) not in seen:
            seen.add((name, extras))
            todo += [(name, r) for r in needs(name, version, python, extras)]
    return missing, {name for name, _ in seen}


def installed(lock: str, python: str) -> tuple[list[str], dict[str, str]]:
    """What has to be met where a lock is installed, and the pins that are there."""
    wanted = [r for part in INSTALLED[lock] for r in locks.wanted(part)]
    together = [pins(part, python) for part in INSTALLED[lock]]
    assert all(together[0][name] == together[1][name] for name in together[0].keys() & together[1])
    return wanted, together[0] | together[1]


@pytest.mark.parametrize("python", locks.PYTHONS)
@pytest.mark.parametrize("lock", INSTALLED)
def test_every_requirement_is_met_by_a_pin_and_every_pin_is_required(lock, python):
    wanted, pinned = installed(lock, python)
    missing, needed = unmet(wanted, pinned, python)
    assert not missing
    assert needed == pinned.keys()


@pytest.mark.parametrize("python", locks.PYTHONS)
@pytest.mark.parametrize("lock", INSTALLED)
def test_any_pin_taken_out_or_too_old_is_noticed(lock, python):
    wanted, pinned = installed(lock, python)
    for name in pinned:
        assert unmet(wanted, {n: v for n, v in pinned.items() if n != name}, python)[0], name
    assert unmet(wanted, {**pinned, "numpy": "1.0"}, python)[0]


@pytest.mark.parametrize("python", locks.PYTHONS)
def test_an_extra_that_a_requirement_names_is_followed(python, monkeypatch):
    """As pytest-cov's `coverage[toml]>=7.10.6`, if that extra needed something on every Python."""
    _, pinned = installed("scripts/dev.lock", python)
    key = ("coverage", pinned["coverage"])
    monkeypatch.setitem(REQUIRES, key, ['a-parser>=2; extra == "toml"', 'other; extra == "more"'])
    needs.cache_clear()
    wanted = ["pytest-cov"]
    assert len(unmet(wanted, pinned, python)[0]) == 1
    assert len(unmet(wanted, {**pinned, "a-parser": "1.9"}, python)[0]) == 1
    monkeypatch.setitem(REQUIRES, ("a-parser", "2.0"), [])
    assert not unmet(wanted, {**pinned, "a-parser": "2.0"}, python)[0]
    monkeypatch.undo()
    needs.cache_clear()


@pytest.mark.parametrize("python", locks.PYTHONS)
def test_one_lock_may_be_installed_over_another(python):
    largest, *others = (pins(lock, python) for lock in locks.LOCKS)
    assert all(pinned.items() <= largest.items() for pinned in others)


def test_what_packages_are_said_to_need_is_what_they_say():
    here = {canonicalize_name(d.name): d for d in importlib.metadata.distributions()}
    checked = 0
    for (name, version), requires in REQUIRES.items():
        if name in here and here[name].version == version:
            assert sorted(here[name].requires or []) == requires, name
            checked += 1
    assert checked > 50


@pytest.mark.parametrize("lock", [locks.BUILD, locks.SYNTHESIS, *locks.LOCKS])
def test_every_package_is_pinned_with_hashes(lock):
    assert len(entries(lock)) > 3
    for entry in entries(lock):
        assert re.fullmatch(
            r"[\w.-]+==[\w.+!-]+\s*(;[^\\]*?)?((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*", entry
        ), f"{lock}: not pinned with a hash: {entry[:80]}"


def test_scripts_resolve_nothing_and_install_nothing_without_hashes():
    lines = (ROOT / "scripts" / "setup.sh").read_text().splitlines()
    pip = [line for line in lines if re.search(r"\bpip install\b", line)]
    assert len(pip) == 2 and all("--no-deps" in line for line in pip)
    calls = [line.strip() for line in lines if re.match(r"\s*install --", line)]
    assert len(calls) == 2 and all("--require-hashes" in call for call in calls)
    synthesis = (ROOT / "scripts" / "setup_synthesis.sh").read_text()
    assert len(re.findall(r"pip install .* --no-deps --require-hashes -r", synthesis)) == 1
    others = [path.read_text() for path in (ROOT / "scripts").glob("*.sh")]
    assert sum(len(re.findall(r"pip install\b", text)) for text in others) == 4  # and test_bounds


def test_the_pythons_that_are_named_are_those_of_the_locks():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = "\n".join(project["classifiers"])
    assert re.findall(r"Python :: (3\.\d+)", named) == list(locks.PYTHONS)
    assert project["requires-python"] == f">={locks.PYTHONS[0]}"
