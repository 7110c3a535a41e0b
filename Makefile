# Ways into rankzero. One profile (release) serves everything, so that PhysX is compiled once.

JOB     ?= jobs/demo.yaml
RANKS   ?= 4
# Where the camera of the picture stands: the default sees all bodies; the demo looks best from above.
FROM_ABOVE := --eye 0,6,8.5 --target 0,0.2,0
VIEW    ?= $(if $(filter jobs/demo.yaml,$(JOB)),$(FROM_ABOVE))
NODES   ?= 1,2,4,8
SUITE   ?=
CASES   ?=
RUNS    ?= 100000
SEED    ?= 0
RUN_DIR ?= runs/demo-$(shell date +%Y%m%d-%H%M%S)
BIN     := $(or $(CARGO_TARGET_DIR),target)/release/rankzero

.DEFAULT_GOAL := help
.PHONY: help deps run test sweep sim lab-rdma lab-slurm lab-gpu bench convergence counts lint docs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## Install the system packages that are missing (Debian, Ubuntu)
	@.ci/deps.sh

run: RUN_DIR := $(RUN_DIR)
run: deps ## Build, simulate JOB (jobs/demo.yaml) on RANKS (4) ranks, once in peace and once with rank 0 killed, draw the last frame
	cargo build --release
	@jobs/killed.sh $(BIN) $(JOB) $(RANKS) $(RUN_DIR)
	$(BIN) render $(RUN_DIR) --out $(RUN_DIR)/picture.png $(VIEW)
	@echo
	@echo "summary:  $(RUN_DIR)/summary.json"
	@echo "journal:  $(RUN_DIR)/events.jsonl"
	@echo "picture:  $(RUN_DIR)/picture.png"
	@echo "ParaView: $(RUN_DIR)/frames/frames.pvd"

test: deps ## Run all tests, each fuzz target for FUZZ_S (20) seconds, then lab-rdma, lab-slurm, lab-gpu and counts
	@.ci/test.sh

sweep: deps ## Run JOB (jobs/demo.yaml) on NODES (1,2,4,8) ranks, 3 times each, and draw how it scales; ARGS, say, --weak
	cargo build --release
	$(BIN) sweep $(JOB) --nodes $(NODES) --through here $(ARGS)

sim: ## Simulate RUNS (100000) whole runs with faults, from SEED (0) on: epochs, copies, commit, recovery
	cargo build --release -p rankzero-sim
	$(dir $(BIN))rankzero-sim run --runs $(RUNS) --seed $(SEED) --jobs $$(nproc)

lab-rdma: deps ## Run RDMA code, or CASES of it, in an emulated machine with a soft-RoCE device
	@comm/lab/run.sh $(ARGS) $(CASES)

lab-slurm: deps ## Run CASES (all but those by hand) on Slurm clusters of namespaces; ARGS=--shell, up or down for one to try things on
	@slurm/lab/run.sh $(ARGS) $(CASES)

lab-gpu: deps ## Compile all kernels for GPUs with NVRTC, and look at their instructions; no GPU is needed
	@gpu/lab/run.sh $(ARGS)

bench: ## Run the benchmarks, or those of SUITE (overhead, fabrics, recovery, solver); ARGS, say, --quick
	@.ci/deps.sh $(if $(filter fabrics,$(SUITE)),valgrind,$(if $(filter overhead recovery,$(SUITE)),,cmake valgrind))
	cargo run --release -p rankzero-bench $(if $(filter overhead fabrics recovery,$(SUITE)),,--features peers) -- $(SUITE) $(ARGS)

convergence: deps ## Measure how errors fall with substeps and cells; draw docs/images/convergence.svg
	cargo run --release -p rankzero-bench --bin convergence

counts: ## Compare the solver's instructions with bench/counts.json
	@.ci/deps.sh valgrind
	@bench/counts.sh

lint: ## Check format, clippy and shell scripts; warnings are errors
	@.ci/deps.sh shellcheck
	@.ci/lint.sh

docs: deps ## Build the API documentation into target/doc; warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps

clean: ## Delete what cargo built; runs stay
	cargo clean
