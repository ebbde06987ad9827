# Sourced by the other scripts: makes .venv with the packages of $LOCKS, once; then takes a moment.
# Needs Python 3.11 or newer (set PYTHON to choose one) and pip, or uv; no system package.

PYTHON="${PYTHON:-python3}"
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "error: $PYTHON is not Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2
  exit 1
fi

make_venv() {
  if command -v uv >/dev/null 2>&1; then
    uv venv --quiet --allow-existing --python "$PYTHON" .venv
  elif ! "$PYTHON" -m venv .venv; then
    echo "error: $PYTHON has no venv; on Debian: apt-get install python3-venv" >&2
    exit 1
  fi
}

install() {
  if command -v uv >/dev/null 2>&1; then
    uv pip install --quiet --python .venv/bin/python "$@"
  else
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"
  fi
}

for lock in "${LOCKS[@]:-requirements.lock}"; do
  stamp="$("$PYTHON" -c 'import hashlib, sys
print(hashlib.sha256(b"".join(open(f, "rb").read() for f in sys.argv[1:])).hexdigest())' \
    "$lock" pyproject.toml)"
  kept=".venv/.emoasr-$(basename "$lock")"

  if [ "$(cat "$kept" 2>/dev/null)" != "$stamp" ]; then
    echo "Setting up .venv with $lock (once, over 1 GB) ..."
    make_venv
    install --require-hashes -r "$lock"
    install --no-deps --no-build-isolation -e .
    echo "$stamp" > "$kept"
  fi
done
