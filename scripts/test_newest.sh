#!/usr/bin/env bash
# On the newest Python at hand (or $PYTHON): the quickstart, then the tests that are not slow, in an
# environment of its own. Arguments go to pytest: scripts/test_newest.sh -k frontend
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

newest() { # of 3.13 and 3.12, on PATH or among pyenv's
  local version candidate
  for version in 3.13 3.12; do
    for candidate in "python$version" ~/.pyenv/versions/"$version".*/bin/python; do
      "$candidate" -c '' 2>/dev/null && echo "$candidate" && return
    done
  done
  echo "no Python newer than 3.11 was found; nothing more is tested" >&2
}

export PYTHON="${PYTHON:-$(newest)}"
[ -n "$PYTHON" ] || exit 0
VENV=".venv-$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
export VENV

bash scripts/setup.sh scripts/dev.lock
bash scripts/quickstart.sh
"$VENV/bin/python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" "$@"
