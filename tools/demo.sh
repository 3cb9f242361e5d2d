#!/usr/bin/env bash
# What `make demo` shows: a server with its page, a sample shop, and a run of examples/shop.js that
# streams from here to there.  From a terminal the page stays up until Ctrl-C; without one the demo
# ends by itself, with the script's exit code.
#
# SPATE_DEMO_PORT: the page's port, 6600 unless it is taken.
set -uo pipefail
cd "$(dirname "$0")/.."

data=build/demo-data
spate=build/spate
server= shop=
mkdir -p "$data"
chmod 700 "$data"

stop() {
    [ -n "$shop" ] && kill "$shop" 2>/dev/null
    [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
}
trap stop EXIT

# wait_for FILE PATTERN PID: prints the first match of PATTERN in FILE, within 10 s.
wait_for() {
    local deadline=$((SECONDS + 10)) match
    while [ "$SECONDS" -lt "$deadline" ]; do
        match=$(grep -oE -m1 "$2" "$1" 2>/dev/null | head -n1)
        [ -n "$match" ] && { echo "$match"; return 0; }
        kill -0 "$3" 2>/dev/null || break
        sleep 0.1
    done
    echo "demo: no answer, see $1:" >&2
    cat "$1" >&2
    return 1
}

url_pattern='http://127\.0\.0\.1:[0-9]+'

# Sessions of their own: Ctrl-C is for the run, which tells the server that it was aborted.
start_server() {
    setsid "$spate" server --data "$data/cloud" --listen "127.0.0.1:$1" --token-file "$data/token" \
        >"$data/server.log" 2>&1 &
    server=$!
    host=$(wait_for "$data/server.log" "$url_pattern" "$server" 2>/dev/null)
}

setsid node examples/shop_server.mjs >"$data/shop.log" 2>&1 &
shop=$!
shop_url=$(wait_for "$data/shop.log" "$url_pattern" "$shop") || exit 1
start_server "${SPATE_DEMO_PORT:-6600}" || start_server 0 || { cat "$data/server.log" >&2; exit 1; }

# A link that signs a browser in, once.
link_to() {
    node tools/sign_in_link.mjs "$host" "$data/token" "$1"
}

echo
echo "The sample shop:  $shop_url"
echo "The results page: $(link_to /runs)"
echo "                  (signs in once: open it now to watch the run)"

K6_CLOUD_HOST=$host K6_CLOUD_TOKEN=$(cat "$data/token") BASE_URL=$shop_url \
    "$spate" cloud run --local-execution examples/shop.js
code=$?

echo
echo "The run's page:   $(link_to /runs/newest)"
if [ -t 1 ]; then
    echo "The page stays up until Ctrl-C."
    trap 'exit "$code"' INT TERM
    while kill -0 "$server" 2>/dev/null; do sleep 1; done
fi
exit "$code"
