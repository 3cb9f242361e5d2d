#!/usr/bin/env bash
# A server under many streams: how long pushes take, what it costs.
#
#     bench/server_load.sh [RUNS [SERIES [SECONDS]]]      200 runs of 1,000 series, 60 s
#
# SPATE_BIN names another binary than build/spate; bench/cloud_load is built beside it when it isn't there.
# The exit code is 1 when a push took longer than a second, or totals differ.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$(realpath "${SPATE_BIN:-build/spate}")
build=$(dirname "$(dirname "$bin")")
load=${SPATE_LOAD:-$build/bench/cloud_load}
[ -x "$load" ] || ninja -C "$build" bench/cloud_load
dir=$(mktemp -d)
"$bin" server --data "$dir/data" --listen 127.0.0.1:0 --token-file "$dir/token" >"$dir/out" 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
until url=$(grep -om1 'http://127[^ ,]*' "$dir/out"); do
    kill -0 "$server"
    sleep 0.1
done
rc=0
"$load" --url "$url" --token-file "$dir/token" --runs "${1:-200}" --series "${2:-1000}" --seconds "${3:-60}" >"$dir/report" || rc=$?
sed 's/,"ids".*/}/' "$dir/report"
read -ra stat <"/proc/$server/stat"
awk '/VmHWM/ { printf "server: at most %.0f MB, ", $2 / 1024 }' "/proc/$server/status"
awk -v u="${stat[13]}" -v s="${stat[14]}" -v hz="$(getconf CLK_TCK)" 'BEGIN { printf "%.1f s of processor time, ", (u + s) / hz }'
du -sh "$dir/data" | cut -f1 | sed 's/$/ on the disk/'
exit "$rc"
