#!/usr/bin/env bash
# Makes the environment of the synthesizers that scripts/synthesize_speech.py uses, apart from the package's own.
#
#     bash scripts/setup_synthesis.sh DIR    # about 1 minute, 1 GB; needs Python 3.11 or newer, npm
#
# Every package, and Kokoro's voices, are pinned with checksums; nothing is resolved or downloaded later.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
mkdir -p "${1:?give the folder to make}" && cd "$1"
"${PYTHON:-python3}" -Im venv venv
venv/bin/python -Im pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$here/synthesis.lock"
npm pack --silent kokoro-js@1.2.1
echo "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860  kokoro-js-1.2.1.tgz" | sha256sum --check --quiet -
tar xzf kokoro-js-1.2.1.tgz --strip-components=1 package/voices
rm kokoro-js-1.2.1.tgz
echo "ready: --synthesizers=$PWD"
