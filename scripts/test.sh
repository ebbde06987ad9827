#!/usr/bin/env bash
# Sets up, then lint, types and all tests. Arguments go to pytest: scripts/test.sh -k frontend
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest "$@"
