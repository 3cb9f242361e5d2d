#!/usr/bin/env bash
# Everything that the project checks about itself: what `make test` runs.
#
#     tests/run.sh            all stages
#     tests/run.sh STAGE...   some of them: tests/run.sh --list names them
#
# Each stage counts its checks; its output goes to build/test-logs/<stage>.log. A stage that finds
# nothing to run has failed. The last line is `N passed, N failed`, and the exit code is 0 only
# when the second number is.
set -uo pipefail
shopt -s nullglob
cd "$(dirname "$0")/.."
root=$PWD
export LC_ALL=C.UTF-8
logs=build/test-logs
jobs=$(nproc)
passed=0
failed=0

# ThreadSanitizer of these compilers doesn't know the address layouts of newer kernels.
same_layout=()
setarch "$(uname -m)" -R true 2>/dev/null && same_layout=(setarch "$(uname -m)" -R)

# build_in NAME COMPILER OPTIONS...: sets build/NAME up (afresh when the options changed) and builds all of it.
build_in() {
    local dir=build/$1 compiler=$2
    shift 2
    local want="$compiler $*"
    if [ "$(cat "$dir/.options" 2>/dev/null)" != "$want" ] || [ ! -f "$dir/build.ninja" ]; then
        rm -rf "$dir"
        CC=$compiler meson setup "$dir" -Dwerror=true "$@" || return 1
        echo "$want" >"$dir/.options"
    fi
    ninja -C "$dir" -j "$jobs" -k 0
}

meson_test() {
    local dir=build/$1
    shift
    meson test -C "$dir" --no-rebuild --print-errorlogs "$@"
}

node_tests() {
    local files=("$@")
    [ "${#files[@]}" -gt 0 ] || { echo 'no test files here'; return 1; }
    # A test waits with deadlines of its own; this one ends the test runner and all that it started.
    timeout --kill-after=10 900 node --test --test-reporter=tap "${files[@]}"
}

e2e() {
    SPATE_BIN=$root/build/$1/src/spate node_tests "${@:2}"
}

sources() { find src tests -name '*.[ch]' -type f | sort; }

stage_setup() { tools/setup.sh test; }
stage_page() { make --no-print-directory web/dist/index.html; }
stage_format() { sources | xargs clang-format --dry-run -Werror; }
stage_layers() { python3 tools/check_layers.py; }
stage_banned() { python3 tools/check_banned.py; }
stage_gcc() { build_in test-gcc gcc; }
stage_clang() { build_in test-clang clang -Doptimization=1 -Dfuzz=false; }
stage_unit_gcc() { meson_test test-gcc; }
stage_unit_clang() { meson_test test-clang; }
# clang's, so that the fuzz targets are libFuzzer's and its sanitizers watch them.
stage_asan() { build_in test-asan clang -Doptimization=1 -Db_sanitize=address,undefined; }
stage_unit_asan() { meson_test test-asan --no-suite fuzz; }
stage_fuzz() { meson_test test-asan --suite fuzz; }
stage_tsan() { build_in test-tsan clang -Doptimization=1 -Db_sanitize=thread -Dfuzz=false; }
stage_unit_tsan() { "${same_layout[@]}" meson test -C build/test-tsan --no-rebuild --print-errorlogs; }
stage_e2e() { e2e test-gcc tests/{e2e,conform}/*.test.{js,mjs}; }
# Those that say, in a line of their own, that they are also for the sanitized program.
stage_e2e_asan() {
    local files
    mapfile -t files < <(grep -lx '// also: asan' tests/{e2e,conform}/*.test.{js,mjs})
    ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1 e2e test-asan "${files[@]}"
}
stage_web_types() { cd web && npm run --silent check; }
stage_web_unit() { cd web && npm test --silent; }
stage_web() { SPATE_BIN=$root/build/test-gcc/src/spate node_tests tests/web/*.test.{js,mjs}; }

# name, how it is counted: "one" is one check (its exit code), "meson" reads the results of a
# build folder, "node" the totals that node's test runner prints.
stages=(
    'setup one'
    'page one'
    'format one'
    'layers one'
    'banned one'
    'gcc one'
    'unit_gcc meson:test-gcc'
    'clang one'
    'unit_clang meson:test-clang'
    'asan one'
    'unit_asan meson:test-asan'
    'fuzz meson:test-asan'
    'tsan one'
    'unit_tsan meson:test-tsan'
    'web_types one'
    'web_unit node'
    'web node'
    'e2e node'
    'e2e_asan node'
)

# Prints "PASSED FAILED" for a stage.
count() {
    local counter=$1 log=$2 rc=$3
    case $counter in
    one) if [ "$rc" = 0 ]; then echo 1 0; else echo 0 1; fi ;;
    meson:*) python3 tests/count.py "build/${counter#meson:}/meson-logs/testlog.json" ;;
    node)
        awk '$1 ~ /^(#|ℹ)$/ && $2 == "pass" { p += $3 }
             $1 ~ /^(#|ℹ)$/ && ($2 == "fail" || $2 == "cancelled") { f += $3 }
             END { print p + 0, f + 0 }' "$log"
        ;;
    esac
}

# Seconds of processor time of all that has run and ended so far, from what the shell's `times` says.
cpu_of() {
    awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, /[ms]/); s += t[1] * 60 + t[2] } printf "%d\n", s }' "$1"
}

run_stage() {
    local name=$1 counter=$2 log=$logs/$1.log rc=0 begin=$SECONDS p f cpu
    times >"$logs/.times"
    cpu=$(cpu_of "$logs/.times")
    [[ $counter == meson:* ]] && rm -f "build/${counter#meson:}/meson-logs/testlog.json"
    ("stage_$name") >"$log" 2>&1 </dev/null || rc=$?
    read -r p f < <(count "$counter" "$log" "$rc")
    if [ "$f" = 0 ] && { [ "$rc" != 0 ] || [ "$p" = 0 ]; }; then
        f=1
    fi
    passed=$((passed + p))
    failed=$((failed + f))
    times >"$logs/.times"
    cpu=$(($(cpu_of "$logs/.times") - cpu))
    printf '%-12s %4d passed %3d failed  %4d s, CPU %4d s\n' "$name" "$p" "$f" $((SECONDS - begin)) "$cpu"
    if [ "$f" != 0 ]; then
        printf -- '---- the end of %s\n' "$log"
        grep -n -A 8 -E '^FAILED: |^not ok |: error: |^ERROR:' "$log" | cut -c -300 | head -n 100
        printf -- '....\n'
        tail -n 60 "$log"
        printf -- '----\n'
    fi
}

if [ "${1:-}" = --list ]; then
    printf '%s\n' "${stages[@]%% *}"
    exit
fi
for wanted in "$@"; do
    printf '%s\n' "${stages[@]%% *}" | grep -qxF -- "$wanted" || {
        echo "no stage is called $wanted" >&2
        exit 2
    }
done

mkdir -p "$logs"
for line in "${stages[@]}"; do
    read -r name counter <<<"$line"
    if [ $# = 0 ] || printf '%s\n' "$@" | grep -qxF -- "$name"; then
        run_stage "$name" "$counter"
    fi
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
