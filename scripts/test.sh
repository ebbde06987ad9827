#!/usr/bin/env bash
# Sets up, then lint, types and all tests. Arguments go to pytest: scripts/test.sh -k frontend
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh scripts/dev.lock

install_chromium() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && { timeout 120 apt-get update &&
    timeout 300 apt-get install -y --no-install-recommends chromium; } >/dev/null 2>&1
}
if ! command -v chromium >/dev/null && ! install_chromium; then
  echo "The browser test will be skipped: no chromium (on Debian: apt-get install chromium)"
fi

venv="${VENV:-.venv}"
"$venv/bin/ruff" check .
"$venv/bin/ruff" format --check .
"$venv/bin/mypy" --num-workers=2
"$venv/bin/lint-imports"
# two processes, a file at a time; in the given order, since TensorFlow's tests must be last
"$venv/bin/python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
