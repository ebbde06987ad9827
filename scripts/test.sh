#!/usr/bin/env bash
# Sets up, then lint, types and all tests. Arguments go to pytest: scripts/test.sh -k frontend
set -euo pipefail
LOCKS=(requirements.lock scripts/tensorflow.lock)  # some tests compare with TensorFlow
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest "$@"
