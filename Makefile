# SPDX-License-Identifier: MIT
#
# A thin front for Meson. `make run` shows what mmkit does; `make test` says whether it does it.
# Both first see to what the machine lacks (tools/deps.sh).

# Programs of build-cov write their counters somewhere, those of Meson's own probes included; what
# counts is set by tools/coverage.py.
export LLVM_PROFILE_FILE := /dev/null

# What the tests choose by chance follows from the tree: each commit tries what none has tried, and
# what fails once fails again. `make soak` and `make soak-schedules` go by the time.
SEED ?= $(shell printf %d 0x$$(git rev-parse --short=7 'HEAD^{tree}' 2>/dev/null || echo 1))
test test-long: export SEED := $(SEED)

# Page-table formats beside the default one, each with a folder of its own.
FORMATS := x86_64-5 riscv64-sv39 riscv64-sv48 riscv64-sv57 aarch64-39 aarch64-48 tiny

# The first prerequisite of each target installs what the next needs.
.NOTPARALLEL:

.PHONY: all run test test-long soak soak-schedules fuzz fuzz-afl bench format tidy clean \
    deps deps-test deps-afl

all: deps build/build.ninja
	@ninja -C build

# The main job: a recording of redis-server, replayed under three policies for page tables.
run: deps build/build.ninja
	$(call make,build,mmkit)
	build/mmkit replay traces/redis.txt.zst --compare

# Folders that are not there are set up, and built, while the tests of those before them run.
test: deps-test with-tests
	@tools/run_tests.py build:unit,cli,tidy,replay build-asan:unit,smoke build-tiny:unit,smoke

test-long: deps-test builds
	$(call make,build-asan,cmd/simulate/mmkit-simulate-tiny bench/micro)
	@tools/run_tests.py build:long,formats,bench,schedules build-tiny:long build-tsan:race,soak \
	    build-cov:coverage build-bench:count build-riscv64-sv39:unit,plain,smoke \
	    build-aarch64-48:unit,plain,smoke,stress build-aarch64-39:smoke build-x86_64-5:smoke \
	    build-riscv64-sv48:smoke build-riscv64-sv57:smoke build-fuzz:fuzz

# The recordings, everything checked, under AddressSanitizer; half an hour of swap; ten million
# operations of four threads under ThreadSanitizer; a million calls beside Linux: an hour or so.
soak: deps-test builds build-tsan/build.ninja
	$(call make,build,)
	$(call make,build-tsan,tests/stress_mm)
	@tools/run_tests.py build-asan:long
	build-asan/mmkit replay traces/churn-jemalloc.txt.zst --check --compare
	build/tests/stress_swap 1800
	build-tsan/tests/stress_mm 10000000ops
	build/mmkit oracle --ops 1000000 --processes 6 --shrink

# All pairs of calls in all schedules with at most two preemptions, tables that go with three, every
# memory order weakened: more than an hour.
soak-schedules: deps-test builds
	$(call make,build,)
	@tests/simulate/explore.sh build/mmkit all

# Half an hour of libFuzzer, both programs beside each other. UPDATE=1 keeps the inputs that cover more.
FUZZ_SECONDS := 1800
fuzz: deps-test build-fuzz/build.ninja
	$(call make,build-fuzz,tests/fuzz/fuzz-ops tests/fuzz/fuzz-schedule)
	@tests/fuzz/fuzz.py $(FUZZ_SECONDS) $(if $(UPDATE),--update) \
	    build-fuzz/tests/fuzz/fuzz-ops build-fuzz/tests/fuzz/fuzz-schedule

# The same for AFL++, which is installed if need be.
fuzz-afl: deps-afl build-afl/build.ninja
	$(call make,build-afl,tests/fuzz/fuzz-ops tests/fuzz/fuzz-schedule)
	@tests/fuzz/afl.py $(FUZZ_SECONDS) $(if $(UPDATE),--update) \
	    build-afl/tests/fuzz/fuzz-ops build-afl/tests/fuzz/fuzz-schedule

# Events a second; instructions a fault, a map, an event; tables, and costs, beside Linux: a minute
# or two. UPDATE=1 accepts the new counts.
bench: deps-test build-bench/build.ninja
	$(call make,build-bench)
	@bench/speed.py build-bench/mmkit
	@bench/instructions.py build-bench $(if $(UPDATE),--update)
	@bench/stages.py build-bench
	@for name in tables dontneed faults fork map touch; do \
	    echo; build-bench/mmkit bench $$name || exit; done

format: deps-test
	@clang-format-14 -i $$(git ls-files --cached --others --exclude-standard '*.c' '*.h')

tidy: deps-test with-tests
	@tools/run_tests.py build:tidy

clean:
	rm -rf build build-asan build-tsan build-cov build-bench build-fuzz build-afl $(FORMATS:%=build-%)
	rm -f *.profraw

deps:
	@tools/deps.sh build

deps-test:
	@tools/deps.sh test

deps-afl:
	@tools/deps.sh afl

# One configuration a folder. The sanitizers are clang 19's, which is also the second compiler
# that must have nothing to warn of.
.PHONY: builds with-tests
builds: with-tests build-asan/build.ninja build-tiny/build.ninja

# `make run` does without cmocka: what it has set up may have no tests yet.
with-tests: build/build.ninja
	@grep -q tests/test_ build/build.ninja || meson configure build -Dtests=enabled

# $(call make,FOLDER,TARGET): silent when there is nothing to do.
make = @ninja -C $(1) -n $(2) | grep -q 'no work to do' || \
    { echo 'building $(1)'; ninja -C $(1) --quiet $(2); }

comma := ,

# $(call setup,COMPILER,OPTIONS): Meson talks a lot when it works, and on stdout when it does not.
setup = @CC=$(1) meson setup $(@D) $(2) >/dev/null || \
    { tail -n 20 $(@D)/meson-logs/meson-log.txt; exit 1; }

build/build.ninja:
	$(call setup,$(CC))

# Compiling them takes longer than what they run: so no debugging information, and less optimisation
# (tiny, where sequences of calls are exhausted, has all).
$(FORMATS:%=build-%/build.ninja): build-%/build.ninja:
	$(call setup,$(CC),-Dformat=$* -Dsimulator=false -Ddebug=false -Doptimization=$(optimization))

$(FORMATS:%=build-%/build.ninja): optimization := 0
build-riscv64-sv39/build.ninja build-aarch64-48/build.ninja: optimization := 1
build-tiny/build.ninja: optimization := 2

# A report names functions and lines. More for a debugger would be a fifth of the compiler's time.
sanitized := -Dbuildtype=debug -Ddebug=false -Doptimization=1
lines := -gline-tables-only

build-asan/build.ninja:
	$(call setup,clang-19,$(sanitized) -Db_sanitize=address$(comma)undefined \
	    -Dc_args='$(lines) -fno-sanitize-recover=all')

build-fuzz/build.ninja:
	$(call setup,clang-19,$(sanitized) -Dfuzzer=true -Db_sanitize=address$(comma)undefined \
	    -Dc_args='$(lines) -fno-sanitize-recover=all -fsanitize=fuzzer-no-link')

fuzz-afl build-afl/build.ninja: export AFL_QUIET := 1
build-afl/build.ninja:
	$(call setup,afl-clang-fast,-Dbuildtype=debug -Doptimization=1 -Dfuzzer=true \
	    -Db_sanitize=address$(comma)undefined -Dc_args=-fno-sanitize-recover=all)

build-tsan/build.ninja:
	$(call setup,clang-19,$(sanitized) -Db_sanitize=thread -Dc_args=$(lines))

build-cov/build.ninja:
	$(call setup,clang-19,-Dbuildtype=debug -Ddebug=false -Doptimization=1 \
	    -Dc_args='-fprofile-instr-generate -fcoverage-mapping -mllvm -runtime-counter-relocation' \
	    -Dc_link_args=-fprofile-instr-generate)

build-bench/build.ninja:
	$(call setup,gcc,-Dbuildtype=release -Ddebug=true -Dlock_check=false -Dsimulator=false)
