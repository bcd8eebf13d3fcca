# Entry points for people and for machines. Anything longer than a few lines is in scripts/.

TARGET_DIR = $${CARGO_TARGET_DIR:-target}

.PHONY: help run build demo test test-faults test-docker images bench cluster cluster-build cluster-test cluster-down advisories clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "make run ARGS='--port 8080 --clean' passes flags on; make run ARGS=--help lists them."

run: build ## install what is missing, build, start the server (ARGS=flags)
	@exec "$(TARGET_DIR)/release/oxwhisk" $(ARGS)

build: ## install what is missing and build the server with what it needs beside it
	@scripts/needs.sh run
	cargo build --release --locked -p oxwhisk-standalone -p oxwhisk-admin -p oxwhisk-runtime-native \
		-p oxwhisk-sandbox-zygote --bin oxwhisk --bin wskadmin --bin oxwhisk-runtime-native --lib

demo: build ## create, invoke and show an action; starts a server if none answers (OXWHISK_API=url)
	@scripts/needs.sh demo
	@scripts/demo.sh

test: ## formatting, clippy, all tests; installs or names what they need
	@scripts/needs.sh test
	@scripts/test.sh

test-faults: ## kill parts of a cluster under load, some minutes (ARGS=part of a test's name)
	@scripts/needs.sh cluster
	cargo build --locked -p oxwhisk-controller-service -p oxwhisk-invoker-service -p oxwhisk-cache-proxy-service \
		-p oxwhisk-admin -p oxwhisk-runtime-native -p oxwhisk-sandbox-zygote \
		--bin controller --bin invoker --bin cache-proxy --bin wskadmin --bin oxwhisk-runtime-native --lib
	@scripts/faults-test.sh $(ARGS)

test-docker: ## the end-to-end tests against a cluster whose invokers use Docker (ARGS=part of a test's name)
	@scripts/needs.sh docker
	cargo build --locked -p oxwhisk-controller-service -p oxwhisk-invoker-service -p oxwhisk-cache-proxy-service \
		-p oxwhisk-admin -p oxwhisk-runtime-native -p oxwhisk-sandbox-zygote \
		--bin controller --bin invoker --bin cache-proxy --bin wskadmin --bin oxwhisk-runtime-native --lib
	@OXWHISK_CLUSTER_CONTAINERS=docker scripts/cluster-test.sh $(ARGS)

images: ## container images of services and runtimes, from binaries built here (BASE=image)
	@BASE="$(BASE)" scripts/images.sh $(IMAGES)

bench: build $(if $(filter cluster,$(ARGS)),cluster-build) ## measure (ARGS=flags of the load generator)
	@scripts/needs.sh bench
	cargo build --release --locked -p oxwhisk-runtime-native --bin actionloop-echo
	cargo run --release --locked -p oxwhisk-bench -- $(ARGS)

cluster: cluster-build ## two controllers and three invokers on this machine, without Docker, with all they need
	@scripts/cluster.sh up

cluster-build:
	@scripts/needs.sh cluster
	cargo build --release --locked -p oxwhisk-controller-service -p oxwhisk-invoker-service -p oxwhisk-cache-proxy-service \
		-p oxwhisk-admin -p oxwhisk-runtime-native -p oxwhisk-sandbox-zygote \
		--bin controller --bin invoker --bin cache-proxy --bin wskadmin --bin oxwhisk-runtime-native --lib

cluster-test: ## the end-to-end tests against a cluster of their own (binaries of the dev profile)
	@scripts/needs.sh cluster
	cargo build --locked -p oxwhisk-controller-service -p oxwhisk-invoker-service -p oxwhisk-cache-proxy-service \
		-p oxwhisk-admin -p oxwhisk-runtime-native -p oxwhisk-sandbox-zygote \
		--bin controller --bin invoker --bin cache-proxy --bin wskadmin --bin oxwhisk-runtime-native --lib
	@scripts/cluster-test.sh

cluster-down: ## stop it and remove everything it made
	@scripts/cluster.sh down

advisories: ## known vulnerabilities of dependencies (needs cargo-deny and the network)
	cargo deny --locked check advisories

clean: ## remove everything that was built
	cargo clean
	rm -rf e2e/.cache bench/results/raw
