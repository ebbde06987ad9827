#!/usr/bin/env bash
# Are the lower bounds in pyproject.toml true? The tests that are not slow, with the oldest versions
# it allows. Needs uv and its index. Arguments go to pytest: scripts/test_bounds.sh -k frontend
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv="${TMPDIR:-/tmp}/emoasr-bounds"

uv venv --quiet --clear --python "${PYTHON:-3.11}" "$venv"
uv pip install --quiet --python "$venv/bin/python" --resolution lowest-direct \
  -e '.[egemaps,demo,remote,tf,ray,dev]'
"$venv/bin/python" -m pytest -n 2 --dist loadfile -m "not slow" "$@"
