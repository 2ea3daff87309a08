#!/bin/sh
# Puts Chromium where the browser tests find it: by apt-get, where there is one and we are root.
# Elsewhere the tests say that they skip; under CI=true they fail instead.
set -eu
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "No Chromium: the browser tests will be skipped. Install the package chromium to run them." >&2
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
if apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; then
  exit 0
fi
echo "Chromium could not be installed: the browser tests will be skipped, or fail under CI=true." >&2
