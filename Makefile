# The front door. Meson and ninja do the work (docs/HACKING.md).
#
#   make          the program, build/spate
#   make demo     server, sample shop, a run, and the page's address
#   make test     everything that the project checks about itself
#   make bench    CPU and memory, beside wrk (and k6 where there is one)
#   make debug | asan | tsan    other builds, in build/<name>/src/spate
#   make clean    removes build/ (what was fetched stays in third_party/)

ifeq ($(origin CC),default)
CC := gcc
endif
export CC

# Nothing that the build prints depends on the user's language.
export LC_ALL := C.UTF-8

WEB_SOURCES := $(wildcard web/*.mjs web/*.json) $(shell find web/src -type f 2>/dev/null)

.PHONY: all setup release debug asan tsan test bench demo tidy format clean

all: release

setup:
	@tools/setup.sh

# $(call build,name,meson options): sets the folder up once, and builds the program in it.
define build
	@test -f build/$(1)/build.ninja || meson setup build/$(1) $(2)
	@ninja -C build/$(1) src/spate
endef

release: setup web/dist/index.html
	$(call build,release,-Dtests=false -Dfuzz=false)
	@ln -sf release/src/spate build/spate

debug: setup web/dist/index.html
	$(call build,debug,--buildtype=debug)

asan: setup web/dist/index.html
	$(call build,asan,--buildtype=debugoptimized -Db_sanitize=address$(comma)undefined)

tsan: setup web/dist/index.html
	$(call build,tsan,--buildtype=debugoptimized -Db_sanitize=thread)

comma := ,

web/dist/index.html: $(WEB_SOURCES) | setup
	@cd web && npm run --silent build
	@touch $@

demo: release
	@tools/demo.sh

test:
	@tests/run.sh

bench: release
	@tools/setup.sh bench
	@bench/run.sh

# Slow, hence not a part of `make test`.
tidy: debug
	@clang-tidy -p build/debug --quiet $$(git ls-files 'src/*.c')

format:
	@clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build web/dist
