#!/usr/bin/env bash
# Sets up and builds the documentation: static pages in build/docs, which open without a server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh scripts/dev.lock
"${VENV:-.venv}/bin/sphinx-build" --quiet --fail-on-warning -b html docs build/docs "$@"
echo "build/docs/index.html"
