# SPDX-License-Identifier: BSD-2-Clause
# Lamina's build. `make help` lists the targets.

PACKAGES := gcc libc6-dev make python3 libcmocka-dev acpica-tools libzydis-dev libzycore-dev

.PHONY: all test setup clean help
all: test

help:
	@echo 'make test    install what is missing, build and run all tests'
	@echo 'make clean   remove build/'

setup:
	@scripts/install-packages $(PACKAGES)

build/gen/core/load/dsdt.h: core/load/dsdt.asl | setup
	@mkdir -p $(@D)
	@iasl -ve -p build/gen/core/load/dsdt $< >build/gen/core/load/dsdt.log || \
		{ cat build/gen/core/load/dsdt.log; exit 1; }
	@scripts/bin2c dsdt_aml build/gen/core/load/dsdt.aml >$@.tmp
	@mv $@.tmp $@

test: setup build/gen/core/load/dsdt.h
	@python3 tests/run_host.py

clean:
	rm -rf build
