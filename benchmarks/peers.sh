#!/bin/sh
# Makes .venv-peers with what mnist_seconds.py, samplers.py and grad_cam.py compare with. Safe to
# run again.
# They need an environment of their own: their packages are none of ours.
set -eu
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
export PIP_CONSTRAINT=benchmarks/peers.txt UV_CONSTRAINT=benchmarks/peers.txt
UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-$("$python" -m pip config get global.find-links 2>/dev/null || true)}}"
if [ -n "$UV_FIND_LINKS" ]; then export UV_FIND_LINKS; else unset UV_FIND_LINKS; fi
[ -x .venv-peers/bin/python ] || "$python" -m venv .venv-peers
if command -v uv >/dev/null 2>&1; then
  uv=uv
elif .venv-peers/bin/python -m pip install --quiet --disable-pip-version-check uv >/dev/null 2>&1; then
  uv=.venv-peers/bin/uv
else
  uv=
fi
if [ -n "$uv" ] && "$uv" pip install --quiet --python .venv-peers/bin/python torch keras skorch fastai kornia antialiased-cnns grad-cam torchcam jaxtyping; then
  :
else
  .venv-peers/bin/python -m pip install --quiet --disable-pip-version-check torch keras skorch fastai kornia antialiased-cnns grad-cam torchcam jaxtyping
fi
