# SPDX-License-Identifier: BSD-2-Clause
# Lamina's build. `make help` lists the targets, V=1 shows the commands.

Q := $(if $(V),,@)
say = $(if $(V),@:,@echo "  $(1)	$(2)")

PACKAGES := gcc binutils libc6-dev make python3 libcmocka-dev acpica-tools libzydis-dev \
	libzycore-dev newlib-source gnu-efi xz-utils gdisk mtools busybox-static cpio dpkg-dev cppcheck spin \
	sbsigntool openssl dnsmasq-base iproute2 gdb

# The core: one ELF file at a fixed address, made of everything below these folders.
CORE_DIRS := arch/x86 core core/lib core/dev core/emul core/load core/mon vmx svm drivers
CORE_C := $(filter-out %/offsets.c,$(wildcard $(addsuffix /*.c,$(CORE_DIRS))))
CORE_S := $(wildcard $(addsuffix /*.S,$(CORE_DIRS)))
CORE_O := $(CORE_C:%.c=build/obj/%.o) $(CORE_S:%.S=build/obj/%.S.o)
BOOT_C := $(wildcard boot/*.c)
BOOT_O := $(BOOT_C:%.c=build/obj/%.o) build/obj/boot/efi_asm.S.o build/obj/boot/payload.S.o
GENERATED := build/gen/arch/x86/offsets.h build/gen/core/offsets.h \
	build/gen/svm/offsets.h build/gen/core/load/dsdt.h build/font/ascii.h

GCC_INCLUDE := $(shell gcc -print-file-name=include)
LIBGCC := $(shell gcc -print-libgcc-file-name)
WARNINGS := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wundef -Wvla \
	-Wimplicit-fallthrough -Wwrite-strings -Wpointer-arith
COMMON := -std=gnu17 -O2 -g -ffreestanding -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
	-fno-strict-aliasing -fno-asynchronous-unwind-tables -fcf-protection=none \
	-ffile-prefix-map=$(CURDIR)=. $(WARNINGS) -I. -Ibuild
CORE_FLAGS := $(COMMON) -nostdinc -isystem $(GCC_INCLUDE) -isystem build/newlib/include \
	-mcmodel=kernel -fno-pic -fno-pie -fno-jump-tables -fno-omit-frame-pointer \
	-ffunction-sections -fdata-sections -D__DYNAMIC_REENT__ \
	-mindirect-branch=thunk-extern -mindirect-branch-register -mharden-sls=all
BOOT_FLAGS := $(COMMON) -isystem /usr/include/efi -isystem /usr/include/efi/x86_64 -fpic \
	-fshort-wchar -maccumulate-outgoing-args -DGNU_EFI_USE_MS_ABI -fvisibility=hidden

.PHONY: all variants guests image pxe unified sign run run-svm run-vmx debug test test-long check bench setup emulators guest clean help
all: build/BOOTX64.EFI

help:
	@echo 'make          build build/BOOTX64.EFI'
	@echo 'make image    build build/lamina.img, to be written to a USB stick with dd'
	@echo 'make pxe      lay out build/pxe for a TFTP server'
	@echo 'make unified  build build/unified.efi, with configuration and kernels in one file'
	@echo 'make sign     sign with KEY= and CERT= for Secure Boot: build/signed'
	@echo 'make run      boot the image in QEMU, under KVM if it can nest, else as run-svm'
	@echo 'make run-svm  boot it in QEMU on an emulated CPU with SVM'
	@echo 'make run-vmx  boot it in Bochs on an emulated CPU with VMX'
	@echo 'make debug    boot it in QEMU with gdb on its second serial line; CPU=vmx: in Bochs'
	@echo 'make check    layers, shape, host tests and static analysis: the gate of a commit'
	@echo 'make test     all tests'
	@echo 'make test-long  all tests, then larger models and the fuzzers'
	@echo 'make bench    cost of exits in instructions: a table, and build/bench.tsv'
	@echo 'make clean    remove what was built, keep what was fetched'
	@echo 'V=1 shows the commands. What is missing is installed or fetched first.'

setup:
	@scripts/install-packages $(PACKAGES)

build/newlib/libc.a: scripts/build-newlib | setup
	$(call say,NEWLIB,$@)
	$(Q)mkdir -p build && scripts/build-newlib build/newlib

# Structure offsets for assembly files, read out of the compiler's output.
build/gen/%/offsets.h: %/offsets.c build/newlib/libc.a
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D)
	$(Q)gcc $(CORE_FLAGS) -MMD -MP -MT $@ -MF $@.d -S $< -o $@.s
	$(Q)sed -n 's/^.*\.ascii "->\([A-Z0-9_]*\) \([^"]*\)"$$/#define \1 \2/p' $@.s >$@.tmp
	$(Q)mv $@.tmp $@

build/gen/core/load/dsdt.h: core/load/dsdt.asl | setup
	$(call say,IASL,$@)
	$(Q)mkdir -p $(@D)
	$(Q)iasl -ve -p build/gen/core/load/dsdt $< >build/gen/core/load/dsdt.log || \
		{ cat build/gen/core/load/dsdt.log; exit 1; }
	$(Q)scripts/bin2c dsdt_aml build/gen/core/load/dsdt.aml >$@.tmp
	$(Q)mv $@.tmp $@

build/font/ascii.h: scripts/make-font | setup
	$(call say,FONT,$@)
	$(Q)mkdir -p $(@D)
	$(Q)scripts/make-font $@

build/obj/boot/%.o: boot/%.c | setup
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)gcc $(BOOT_FLAGS) -MMD -MP -c $< -o $@

build/obj/boot/payload.S.o: boot/payload.S build/core.elf
	$(Q)gcc -I. -DCORE_ELF='"build/core.elf"' -c $< -o $@

build/obj/boot/%.S.o: boot/%.S
	$(Q)mkdir -p $(@D)
	$(Q)gcc $(BOOT_FLAGS) -c $< -o $@

build/obj/%.o: %.c $(GENERATED)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)gcc $(CORE_FLAGS) -MMD -MP -c $< -o $@

build/obj/%.S.o: %.S $(GENERATED)
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D)
	$(Q)gcc $(CORE_FLAGS) -MMD -MP -c $< -o $@

build/lamina.elf: $(CORE_O) arch/x86/link.ld build/newlib/libc.a
	$(call say,LD,$@)
	$(Q)ld -nostdlib -static -T arch/x86/link.ld -z noexecstack -z max-page-size=4096 \
		--build-id=none --gc-sections -o $@ $(CORE_O) build/newlib/libc.a $(LIBGCC)
	$(Q)! objdump -d $@ | grep -E '%([xyz]mm[0-9]|st\b)' || \
		{ echo 'the core must not use FPU or vector registers'; rm $@; exit 1; }

build/core.elf: build/lamina.elf
	$(Q)objcopy --strip-debug $< $@

# The loader $@ out of the objects $(1), by way of the shared library $(2).
define efi_make
$(Q)ld -shared -Bsymbolic -nostdlib -znocombreloc -z noexecstack --build-id=none \
	-T /usr/lib/elf_x86_64_efi.lds /usr/lib/crt0-efi-x86_64.o $(1) \
	-o $(2) -L/usr/lib -lefi -lgnuefi $(LIBGCC)
$(Q)test -z "$$(nm -D -u $(2))"
$(Q)objcopy -j .text -j .sdata -j .data -j .rodata -j .dynamic -j .dynsym -j .rel -j .rela \
	-j '.rel.*' -j '.rela.*' -j .reloc --target=efi-app-x86_64 --subsystem=10 $(2) $@
endef

build/BOOTX64.EFI: $(BOOT_O)
	$(call say,EFI,$@)
	$(call efi_make,$(BOOT_O),build/loader.so)

# Variants of the core, for tests: the linker puts functions of tests/variant in front of others, and
# the entry code is edited at the labels that name its steps. The objects are the same otherwise.
VARIANT_inject := inject inject_vmx inject_svm open strict
WRAPS_inject := testdev_read testdev_write vmx_stay svm_stay iso_root_cr3 npf_fast request_interrupt_fast iso_fault_handler_set
# A request is made behind the last look at the requests; VMRUN gets another address; what has
# happened is looked at before the host's interrupts are let in.
EDIT_inject := /kick.pml: test/{n;s/$$/; movq %rbx, %rdi; call inject_window/};s/ISO_[EL].*//;s/^3:\tvmrun/\taddq inject_offset(%rip), %rax\n&/;s/^\tstgi/\tmovq (%rsp), %rdi; pushq %rax; call inject_out; popq %rax; stgi/
VARIANT_fine := mark strict
WRAPS_fine := testdev_read vmx_run vmx_stay svm_run svm_stay iso_fault_handler_set
EDIT_fine :=
# C code sets and clears the mark.
VARIANT_coarse := mark strict
WRAPS_coarse := $(WRAPS_fine)
EDIT_coarse := s/\(xchgq\|movb\) .*kick.pml: \(XCHG\|first store\|abandon\).*//
FLAGS_coarse := -DCOARSE_MARK
# The doors stay shut: everything on the full tables, for comparison.
VARIANT_open := open strict
WRAPS_open := iso_root_cr3 npf_fast request_interrupt_fast iso_fault_handler_set
EDIT_open := s/ISO_[EL].*//
# Every defence against guesses.
VARIANT_spec := spec strict
WRAPS_spec := spec_decide iso_fault_handler_set
EDIT_spec :=
# The isolated code reads, writes and runs what it must not reach.
VARIANT_probe := probe probe_fast
WRAPS_probe := testdev_read testdev_write hypercall_fast page_init
EDIT_probe :=
# The same, but a fault there ends everything, as in all variants but the one above.
VARIANT_strict := $(VARIANT_probe) strict
WRAPS_strict := $(WRAPS_probe) iso_fault_handler_set
EDIT_strict :=
# An NMI at each instruction of the entry code and of what it calls: INT1 begins to step.
VARIANT_nmi := nmi
WRAPS_nmi := testdev_read testdev_write iso_fault_handler_set trap_fix_up trap_handle
EDIT_nmi := s/^vmx_\(stay\|exit\):/&\n\t.byte 0xf1/;/^svm_stay:/,$${s/^\tISO_ENTER/&; .byte 0xf1/;s/^3:\tvmrun.*/&\n\t.byte 0xf1/;/^\tnop/{n;s/$$/; .byte 0xf1/}}
# Monitor commands that break Lamina.
VARIANT_words := words strict
WRAPS_words := line_key lastwords_init acpi_reset iso_fault_handler_set
EDIT_words :=
VARIANTS := inject fine coarse open spec probe strict nmi words

define variant_rules
build/$(1)/%.o: tests/variant/%.c $(GENERATED)
	$$(call say,CC,$$< ($(1)))
	$$(Q)mkdir -p $$(@D)
	$$(Q)gcc $(CORE_FLAGS) $(FLAGS_$(1)) -Wno-missing-prototypes -MMD -MP -c $$< -o $$@

build/$(1)/%/enter.S.o: %/enter.S Makefile $(GENERATED)
	$$(Q)mkdir -p $$(@D)
	$$(Q)sed '$$(EDIT_$(1))' $$< >$$(@D)/enter.S
	$$(if $$(EDIT_$(1)),$$(Q)! cmp -s $$< $$(@D)/enter.S)
	$$(Q)gcc $(CORE_FLAGS) -c $$(@D)/enter.S -o $$@

build/$(1)/core.elf: $(CORE_O) $(VARIANT_$(1):%=build/$(1)/%.o) build/$(1)/vmx/enter.S.o \
		build/$(1)/svm/enter.S.o arch/x86/link.ld
	$$(call say,LD,$$@)
	$$(Q)ld -nostdlib -static -T arch/x86/link.ld -z noexecstack -z max-page-size=4096 \
		--build-id=none --gc-sections -S $(WRAPS_$(1):%=--wrap=%) -o $$@ \
		$$(filter-out build/obj/%/enter.S.o,$$(filter %.o,$$^)) build/newlib/libc.a $(LIBGCC)

build/$(1)/payload.o: boot/payload.S build/$(1)/core.elf
	$$(Q)gcc -I. -DCORE_ELF='"build/$(1)/core.elf"' -c $$< -o $$@

build/$(1)/BOOTX64.EFI: $(BOOT_O:build/obj/boot/payload.S.o=build/$(1)/payload.o)
	$$(call say,EFI,$$@)
	$$(call efi_make,$$^,build/$(1)/loader.so)
endef
$(foreach v,$(VARIANTS),$(eval $(call variant_rules,$(v))))

variants: $(VARIANTS:%=build/%/BOOTX64.EFI)

emulators: | setup
	@scripts/setup-emulators build/emu

guest: | setup
	@scripts/make-guest build/guest

# What lies beside the loader, or in it: PATH=FILE, to be set on the command line for other guests.
FILES = lamina.toml=boot/lamina.toml vmlinuz=build/guest/vmlinuz initrd.gz=build/guest/initrd.gz
# The loader's command line in a unified image: check, or config=PATH.
OPTIONS =

image: build/BOOTX64.EFI guest
	$(call say,IMAGE,build/lamina.img)
	$(Q)boot/image.sh build/lamina.img EFI/BOOT/BOOTX64.EFI=build/BOOTX64.EFI $(FILES)

# What a TFTP server is to serve.
pxe: build/BOOTX64.EFI guest
	$(call say,PXE,build/pxe)
	$(Q)boot/tree.sh build/pxe BOOTX64.EFI=build/BOOTX64.EFI $(FILES)

# One file with configuration and kernels in it.
unified: build/BOOTX64.EFI guest
	$(call say,EFI,build/unified.efi)
	$(Q)boot/unify.sh build/unified.efi build/BOOTX64.EFI '$(OPTIONS)' embed $(FILES)

# Signed: the loader with the hashes of its files, in a disk image and as a tree, and the one file.
sign: unified
	@[ -f '$(KEY)' ] && [ -f '$(CERT)' ] || \
		{ echo 'usage: make sign KEY=private.key CERT=certificate.pem [FILES=...]'; exit 2; }
	$(call say,SIGN,build/signed)
	$(Q)mkdir -p build/signed
	$(Q)boot/unify.sh build/signed/listed.efi build/BOOTX64.EFI '$(OPTIONS)' list $(FILES)
	$(Q)sbsign --key '$(KEY)' --cert '$(CERT)' --output build/signed/BOOTX64.EFI \
		build/signed/listed.efi
	$(Q)sbsign --key '$(KEY)' --cert '$(CERT)' --output build/signed/unified.efi \
		build/unified.efi
	$(Q)rm build/signed/listed.efi
	$(Q)boot/image.sh build/signed/lamina.img EFI/BOOT/BOOTX64.EFI=build/signed/BOOTX64.EFI \
		$(FILES)
	$(Q)boot/tree.sh build/signed/pxe BOOTX64.EFI=build/signed/BOOTX64.EFI $(FILES)

run: image emulators
	@scripts/run auto

run-svm: image emulators
	@scripts/run svm

run-vmx: image emulators
	@scripts/run vmx

debug: image emulators
	@scripts/debug $(CPU)

# Test guests: ELF32 for multiboot; one is also an ELF64 file with nothing but a PVH note.
GUEST_FLAGS := -std=gnu17 -O2 -ffreestanding -mno-red-zone -mgeneral-regs-only -fno-stack-protector \
	-fno-pic -fno-pie -mcmodel=small -fcf-protection=none -fno-asynchronous-unwind-tables \
	-Wall -Wextra -Werror -Itests/guest
GUESTS := $(patsubst tests/guest/%.c,build/guests/%.elf,$(wildcard tests/guest/*.c))
GUEST_LIB := $(wildcard tests/guest/lib/*)

GUEST_LINK := -nostdlib -static -Wl,-T,tests/guest/lib/link.ld -Wl,--build-id=none \
	-Wl,-z,noexecstack -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments \
	tests/guest/lib/start.S tests/guest/lib/guest.c

build/guests/%.elf: tests/guest/%.c $(GUEST_LIB) | setup
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)gcc $(GUEST_FLAGS) -o $@.64 $< $(GUEST_LINK)
	$(Q)objcopy -O elf32-i386 $@.64 $@

build/guests/%.pvh: tests/guest/%.c $(GUEST_LIB) | setup
	$(call say,GUEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)gcc $(GUEST_FLAGS) -DPVH_ONLY -o $@ $< $(GUEST_LINK)

guests: $(GUESTS) build/guests/cpuid.pvh

CHECKS := 'python3 tests/check/layers.py' 'python3 tests/check/shape.py' \
	'python3 tests/check/image.py' 'scripts/exit-classes --check README.md' \
	'python3 tests/check/codes.py' 'scripts/analyze' 'python3 tests/run_host.py'

check test: export CORE_FLAGS := $(CORE_FLAGS)
check test: export BOOT_FLAGS := $(BOOT_FLAGS)

check: setup $(GENERATED) build/compile_commands.json build/lamina.elf
	@python3 tests/run_all.py $(CHECKS)

build/compile_commands.json: Makefile scripts/compile-commands $(CORE_C) $(BOOT_C)
	$(Q)mkdir -p build
	$(Q)scripts/compile-commands '$(CORE_FLAGS)' $(CORE_C) -- '$(BOOT_FLAGS)' $(BOOT_C) >$@

TEST_NEEDS := guests variants setup build/gen/core/load/dsdt.h

test: $(TEST_NEEDS) $(GENERATED) image emulators
	@python3 tests/run_all.py $(CHECKS) 'python3 tests/model/run_models.py' \
		'python3 tests/run_e2e.py'

# Slow extras: larger models, long runs of guests, and fuzzers, which need clang.
test-long: test
	@scripts/install-packages clang libclang-rt-14-dev
	@python3 tests/run_all.py 'python3 tests/model/run_models.py --long' \
		'python3 tests/run_e2e.py --long' \
		'python3 tests/run_fuzz.py 300'

bench: guests variants build/BOOTX64.EFI emulators
	@python3 tests/bench/bench.py

clean:
	rm -rf $(VARIANTS:%=build/%) build/obj build/gen build/host build/*.elf build/*.EFI build/*.so

-include $(GENERATED:=.d) $(CORE_O:.o=.d) $(BOOT_O:.o=.d) $(wildcard $(VARIANTS:%=build/%/*.d))
