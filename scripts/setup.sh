#!/usr/bin/env bash
# Makes .venv (or $VENV) with the packages of a lock, once; then takes a moment and no network.
#
#     bash scripts/setup.sh [LOCK]    # requirements.lock, or scripts/dev.lock for the tests
#
# Needs Python 3.11, 3.12 or 3.13 (set PYTHON to choose one) and pip 23 or newer, or uv; no system
# package. Nothing is resolved: each package is installed as the lock has it, hashes checked.

# In a subshell: whoever sources this keeps their shell, its options and its folder.
emoasr_setup() (
  set -euo pipefail
  cd "$(dirname "${BASH_SOURCE[0]}")/.."
  lock="${1:-requirements.lock}"
  venv="${VENV:-.venv}"
  installed="$venv/.emoasr-installed" # of which lock the packages are; written when all is done
  made="$venv/.emoasr-made"           # by which Python, and where: a moved environment is broken
  log="$(mktemp)"
  trap 'rm -f "$log"' EXIT

  fail() { # WHAT REMEDY
    echo "error: $1; $2" >&2
    exit 1
  }

  step() { # WHAT REMEDY COMMAND...: one line, unless it fails
    local what="$1" remedy="$2"
    shift 2
    echo "setup: $what"
    "$@" >"$log" 2>&1 </dev/null && return
    tail -n 20 "$log" >&2
    fail "$what failed" "$remedy"
  }

  suitable() { # PYTHON: prints its path and version where it is one that the locks are for
    "$1" -Ic 'import sys
v = sys.version_info
if not (3, 11) <= v < (3, 14): sys.exit(1)
print(sys.executable, f"{v[0]}.{v[1]}", sep="\n")' 2>/dev/null
  }

  find_python() {
    local candidate candidates=(python3 python3.13 python3.12 python3.11)
    [ -z "${PYTHON:-}" ] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
      suitable "$candidate" && return
    done
    fail "${PYTHON:-python3} is not Python 3.11, 3.12 or 3.13" "set PYTHON=/path/to/python3.13"
  }

  digest() { # FILE...
    "$python" -Ic 'import hashlib, sys
print(hashlib.sha256(b"".join(open(f, "rb").read() for f in sys.argv[1:])).hexdigest())' "$@"
  }

  holds() { # LOCK: whether its packages are installed
    [ "$(cat "$installed" 2>/dev/null)" = "$(digest "$1" scripts/build.lock pyproject.toml)" ]
  }

  make_venv() {
    rm -rf "$venv" || return
    if [ -n "$uv" ]; then
      uv venv --python "$python" "$venv"
    else
      "$python" -Im venv "$venv"
    fi && printf '%s\n' "$place" >"$made"
  }

  install() { # modules are compiled when they are first imported: most never are
    if [ -n "$uv" ]; then
      uv pip install --python "$venv/bin/python" --no-deps "$@"
    else
      "$venv/bin/python" -Im pip install --no-deps --no-compile \
        --disable-pip-version-check --use-pep517 "$@"
    fi
  }

  check() {
    if [ -n "$uv" ]; then
      uv pip check --python "$venv/bin/python"
    else
      "$venv/bin/python" -Im pip check
    fi
  }

  usable() { # whether .venv is whole, of this Python and this place, and has what installs
    [ "$(cat "$made" 2>/dev/null)" = "$place" ] && "$venv/bin/python" -Ic '' 2>/dev/null &&
      { [ -n "$uv" ] || "$venv/bin/python" -Ic 'import pip' 2>/dev/null; }
  }

  uv="$(command -v uv || true)"
  { read -r python && read -r version; } < <(find_python) || exit 1
  place="Python $version in $PWD"
  online="see above; with a network, run it again (it goes on where it stopped)"

  if ! usable; then
    step "making $venv with Python $version" "on Debian: apt-get install python3-venv" make_venv
  elif holds "$lock" || holds scripts/dev.lock; then # which has all of the other's packages
    exit 0
  fi
  rm -f "$installed"
  step "installing what builds packages" "$online" \
    install --require-hashes --only-binary :all: -r scripts/build.lock
  step "installing $lock (once; up to some minutes)" "$online" \
    install --require-hashes --no-build-isolation -r "$lock"
  step "installing emoasr" "$online" install --no-build-isolation -e .
  step "checking that all packages fit" "remove $venv and run it again" check
  digest "$lock" scripts/build.lock pyproject.toml >"$installed"
)

emoasr_setup "$@"
