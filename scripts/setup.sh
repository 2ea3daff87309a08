#!/bin/sh
# Makes .venv and installs neocog into it, editable, with everything its tests need.
# Uses uv where it is on the PATH or can be installed into .venv, else pip. Safe to run again.
set -eu
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "neocog needs Python 3.11 or newer, $python is $("$python" -V 2>&1). Set PYTHON=/path/to/python3.11." >&2
  exit 2
}
# Isolated builds see the constraints too. The relative path survives folders with spaces.
export PIP_CONSTRAINT=constraints.txt UV_CONSTRAINT=constraints.txt UV_BUILD_CONSTRAINT=constraints.txt
# The first import of torch is slow enough without being compiled then.
export UV_COMPILE_BYTECODE=1
# uv does not read pip's configuration: hand it the folder of local wheels, if pip has one.
UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-$("$python" -m pip config get global.find-links 2>/dev/null || true)}}"
if [ -n "$UV_FIND_LINKS" ]; then export UV_FIND_LINKS; else unset UV_FIND_LINKS; fi
[ -x .venv/bin/python ] || "$python" -m venv .venv
if command -v uv >/dev/null 2>&1; then
  uv=uv
elif .venv/bin/python -m pip install --quiet --disable-pip-version-check uv >/dev/null 2>&1; then
  uv=.venv/bin/uv
else
  uv=
fi
if [ -n "$uv" ] && "$uv" pip install --quiet --python .venv/bin/python --editable '.[test]'; then
  :
else
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
fi
touch .venv/.ok
