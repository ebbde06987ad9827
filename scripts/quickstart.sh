#!/usr/bin/env bash
# From a fresh clone to a results table: sets up, makes a small synthetic corpus, extracts features
# with the shipped recognizer and evaluates them. Results: runs/demo/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh

"${VENV:-.venv}/bin/python" -m emoasr.extract --config=configs/demo.py --workdir=runs/demo
"${VENV:-.venv}/bin/python" -m emoasr.eval --config=configs/demo.py --workdir=runs/demo
