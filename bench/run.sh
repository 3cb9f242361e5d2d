#!/usr/bin/env bash
# CPU and memory, side by side with what is installed: what `make bench` runs.
#
#     bench/run.sh [--seconds N] [--quick]
#
# SPATE_BIN names another binary than build/spate.
set -euo pipefail
cd "$(dirname "$0")/.."
exec python3 bench/run.py "$@"
