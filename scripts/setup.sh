# Sourced by the other scripts: makes .venv with the locked packages, once; then takes a moment.
# Needs Python 3.11 or newer (set PYTHON to choose one) and pip, or uv; no system package.

PYTHON="${PYTHON:-python3}"
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "error: $PYTHON is not Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2
  exit 1
fi

stamp="$("$PYTHON" -c 'import hashlib, sys
print(hashlib.sha256(b"".join(open(f, "rb").read() for f in sys.argv[1:])).hexdigest())' \
  requirements.lock pyproject.toml)"

if [ "$(cat .venv/.emoasr-stamp 2>/dev/null)" != "$stamp" ]; then
  echo "Setting up .venv (once, about 1.5 GB) ..."
  if command -v uv >/dev/null 2>&1; then
    uv venv --quiet --allow-existing --python "$PYTHON" .venv
    uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements.lock
    uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .
  else
    if ! "$PYTHON" -m venv .venv; then
      echo "error: $PYTHON has no venv; on Debian: apt-get install python3-venv" >&2
      exit 1
    fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
      --require-hashes -r requirements.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check \
      --no-deps --no-build-isolation -e .
  fi
  echo "$stamp" > .venv/.emoasr-stamp
fi
