#!/usr/bin/env bash
# Brings everything that a build needs, and does nothing when it is there.
#
#     tools/setup.sh [test] [bench]
#
#   1. Debian packages, by apt (through sudo when not root); with `test` and `bench` those that
#      only the tests and the benchmark need
#   2. third_party/: QuickJS, llhttp and yyjson from the Debian suite trixie, by apt with a
#      configuration of its own: the machine's sources stay as they are, signatures are checked
#   3. our patches to QuickJS
#   4. the web page's packages, by npm, from web/package-lock.json
#
# SPATE_DEBIAN_MIRROR names the mirror for step 2 on a machine whose own apt sources hold none.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "$0")/.."

packages=(
    gcc libc6-dev make meson ninja-build pkg-config python3 patch dpkg-dev debian-archive-keyring
    ca-certificates
    libuv1-dev libssl-dev libmicrohttpd-dev libsqlite3-dev libsnappy-dev libbrotli-dev libzstd-dev
    zlib1g-dev libargon2-dev libpcre2-dev libwslay-dev libnghttp2-dev libidn2-dev
)
test_packages=(
    clang libclang-rt-dev llvm clang-format libcmocka-dev chromium openssl valgrind sqlite3 util-linux git
)
bench_packages=(nginx-light wrk)

for group in "$@"; do
    case $group in
    test) packages+=("${test_packages[@]}") ;;
    bench) packages+=("${bench_packages[@]}") ;;
    *) echo "setup: no group of packages is called $group" >&2; exit 2 ;;
    esac
done

suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
third=third_party

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        command -v sudo >/dev/null || die "needs root for '$*': run as root, or install sudo"
        sudo "$@"
    fi
}

node_is_enough() {
    command -v node >/dev/null && command -v npm >/dev/null &&
        [ "$(node -p 'Number(process.versions.node.split(".")[0]) >= 18' 2>/dev/null)" = true ]
}

# Those of the named packages that aren't installed. (dpkg-query fails when it knows one of them not at all.)
missing_packages() {
    local have
    have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null || true)
    have=$(sed -n 's/^ii *//p' <<<"$have")
    grep -vxF -f <(printf '%s\n' "$have") < <(printf '%s\n' "$@") || true
}

install_packages() {
    command -v apt-get >/dev/null || die 'this script knows Debian only (no apt-get here); docs/HACKING.md lists what is needed'
    node_is_enough || packages+=(nodejs npm)
    local missing
    mapfile -t missing < <(missing_packages "${packages[@]}")
    [ "${#missing[@]}" = 0 ] && return
    say "Debian packages: ${missing[*]}"
    local options=(-y -q --no-install-recommends -o DPkg::Lock::Timeout=300)
    if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "${missing[@]}"; then
        say 'trying again with fresh package lists'
        as_root apt-get update -q
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "${missing[@]}"
    fi
}

# The mirror of the machine's own Debian sources.
debian_mirror() {
    if [ -n "${SPATE_DEBIAN_MIRROR:-}" ]; then
        printf '%s\n' "$SPATE_DEBIAN_MIRROR"
        return
    fi
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 2>/dev/null |
        awk -F'|' '$1 == "Debian" && $2 == "Debian" && !seen++ { print $3 }'
}

# apt with its lists, cache and sources under third_party/, and nothing of the machine's.
own_apt() {
    local dir
    dir=$(realpath "$third")/.apt
    "$@" -q \
        -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
        -o Dir::Etc::trusted=/dev/null -o Dir::Etc::trustedparts=/dev/null \
        -o Dir::State="$dir/state" -o Dir::State::lists="$dir/lists" -o Dir::State::status="$dir/status" \
        -o Dir::Cache="$dir/cache" -o Acquire::Languages=none -o APT::Sandbox::User="$(id -un)" \
        -o Acquire::AllowInsecureRepositories=false -o APT::Get::AllowUnauthenticated=false
}

fetch_archives() {
    local dir=$third/.apt mirror
    mirror=$(debian_mirror)
    if [ -z "$mirror" ]; then
        as_root apt-get update -q >/dev/null || true
        mirror=$(debian_mirror)
    fi
    [ -n "$mirror" ] || die "no Debian mirror among this machine's apt sources; set SPATE_DEBIAN_MIRROR to one"
    [ -r "$keyring" ] || die "$keyring is missing (package debian-archive-keyring)"
    say "sources of QuickJS, llhttp and yyjson from $suite"
    rm -rf "$dir" "$third/archives"
    mkdir -p "$dir"/{lists,cache,state}/partial "$dir/cache/archives/partial" "$third/archives"
    : >"$dir/status"
    printf 'deb%s [signed-by=%s] %s %s main\n' '' "$keyring" "$mirror" "$suite" \
        '-src' "$keyring" "$mirror" "$suite" >"$dir/sources.list"
    own_apt apt-get update
    (
        third=$(realpath "$third")
        cd "$third/archives"
        own_apt apt-get source --download-only quickjs
        # The upstream archive alone (its hash is in the signed index, too): one .c and one .h of it are used.
        own_apt apt-get source --download-only --tar-only yyjson
        own_apt apt-get download libllhttp-dev
    )
    rm -rf "$dir"
}

unpack_archives() {
    rm -rf "$third/quickjs" "$third/yyjson" "$third/llhttp" "$third/llhttp.deb"
    dpkg-source --no-copy -x "$third"/archives/quickjs_*.dsc "$third/quickjs" >"$third/quickjs.log" 2>&1 ||
        die "cannot unpack QuickJS: see $third/quickjs.log"
    mkdir "$third/yyjson" "$third/llhttp"
    tar -xf "$third"/archives/yyjson_*.orig.tar.* -C "$third/yyjson" --strip-components=1
    dpkg-deb -x "$third"/archives/libllhttp-dev_*.deb "$third/llhttp.deb"
    mkdir "$third/llhttp/lib"
    cp -r "$third/llhttp.deb/usr/include" "$third/llhttp/include"
    cp "$third"/llhttp.deb/usr/lib/*/libllhttp.a "$third/llhttp/lib/"
    rm -rf "$third/llhttp.deb"
    local p
    for p in patches/*.patch; do
        patch -d "$third/quickjs" -p1 -s --no-backup-if-mismatch <"$p" || die "$p does not apply"
    done
}

hash_of() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

fetch_third_party() {
    mkdir -p "$third"
    exec 9>"$third/.lock"
    flock 9
    # What is fetched follows from this line; raise the number to have it fetched anew.
    local want_archives="1 $suite $(uname -m)"
    local want_tree
    want_tree="$want_archives 2 $(cat /dev/null patches/*.patch | sha256sum | cut -d ' ' -f 1)"
    if [ "$(cat "$third/.archives" 2>/dev/null)" != "$want_archives" ]; then
        fetch_archives
        echo "$want_archives" >"$third/.archives"
        rm -f "$third/.tree"
    fi
    if [ "$(cat "$third/.tree" 2>/dev/null)" != "$want_tree" ]; then
        say 'unpacking and patching third_party/'
        rm -f "$third/.tree"
        unpack_archives
        echo "$want_tree" >"$third/.tree"
    fi
}

install_web_packages() {
    [ -f web/package-lock.json ] || return 0
    local want
    want=$(hash_of web/package-lock.json)
    [ "$(cat web/node_modules/.lock-hash 2>/dev/null)" = "$want" ] && return 0
    say "the page's packages"
    (cd web && npm ci --no-audit --no-fund --no-update-notifier --loglevel=error)
    echo "$want" >web/node_modules/.lock-hash
}

install_packages
fetch_third_party
install_web_packages
