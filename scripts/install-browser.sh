#!/bin/sh
# The report's tests open it in headless Chromium. Find a browser, or install one.
set -u
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && apt-get install -y -qq chromium >/dev/null && exit 0
fi
if "${PYTHON:-python3}" -m playwright install chromium; then exit 0; fi
echo "No browser could be installed: the tests that open the report will be skipped." >&2
