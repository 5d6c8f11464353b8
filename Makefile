# SPDX-License-Identifier: Apache-2.0
# Copyright The mayfly authors
#
# make          the four programs (as any user, once the packages are there)
# make demo     packages, guest kernel, image, programs; then one sandbox from create to nothing left (as root)
# make test     the same, then every test (as root)
# make lines    how many lines the monitor has, file by file
# make fuzz-run a minute of fuzzing for each target, then what the corpora reach
# make bench    mayfly beside QEMU microvm
# make chaos    kill and fault matrices, storms and cycles, hours long
# make install  copy programs, guest and units to PREFIX (/usr) below DESTDIR; make uninstall takes them away
# make deb      the Debian package, build/deb/mayfly_*.deb
#
# Every folder of FOLDERS becomes one archive per variant: its *.c but main.c. Variants: `host` (glibc, for CLI, keeper
# and tools), `vmm` (musl, static-pie, for monitor and guest-init), `san` (ASan + UBSan, for unit tests), `fuzz` (clang).

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

B := build
CC := gcc
CXX := g++
CLANG := clang

FOLDERS := base store vmm/mem vmm/virtio vmm/boot vmm/kvm vmm/monitor jail keeper cli guest-init inventory

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wformat=2 -Werror
COMMON := -std=gnu17 -g -I. -I$(B)/gen -D_GNU_SOURCE -MMD -MP $(WARNINGS) -fstack-protector-strong

MUSL := /usr/lib/x86_64-linux-musl
GCC_INCLUDE := $(shell $(CC) -print-file-name=include 2>/dev/null)

CFLAGS_host := $(COMMON) -O2 -fPIE -D_FORTIFY_SOURCE=2 $(shell pkg-config --cflags libnl-3.0 libnl-route-3.0 2>/dev/null)
CFLAGS_vmm := $(COMMON) -Os -fPIE -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables \
	-nostdinc -isystem /usr/include/x86_64-linux-musl -isystem $(B)/uapi -isystem $(GCC_INCLUDE)
CFLAGS_san := $(COMMON) -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	$(shell pkg-config --cflags libnl-3.0 libnl-route-3.0 2>/dev/null)
FUZZING := -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined \
	-fprofile-instr-generate -fcoverage-mapping
CFLAGS_fuzz := $(COMMON) -O1 $(FUZZING) $(shell pkg-config --cflags libnl-3.0 libnl-route-3.0 2>/dev/null)
LDFLAGS_host := -pie -Wl,-z,relro,-z,now -Wl,--as-needed
LDFLAGS_vmm := -static-pie -nostdlib -nostartfiles -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections -L$(MUSL)

CC_host := $(CC)
CC_vmm := $(CC)
CC_san := $(CC)
CC_fuzz := $(CLANG)

# what folder's sources need beside COMMON (C++ only behind cli's configuration)
sources = $(filter-out %/main.c,$(wildcard $(1)/*.c))
cxx_sources = $(wildcard $(1)/*.cc)
archive = $(B)/$(1)/lib/$(subst /,-,$(2)).a
archives = $(foreach folder,$(2),$(call archive,$(1),$(folder)))

define variant
$(B)/$(1)/obj/%.o: %.c | generated
	@mkdir -p $$(@D)
	$$(Q)$$(CC_$(1)) $$(CFLAGS_$(1)) -c -o $$@ $$<
endef

define folder_archive
$(call archive,$(1),$(2)): $(patsubst %.c,$(B)/$(1)/obj/%.o,$(call sources,$(2))) \
		$(patsubst %.cc,$(B)/$(1)/obj/%.o,$(call cxx_sources,$(2)))
	@mkdir -p $$(@D)
	@rm -f $$@
	$$(Q)ar rcsD $$@ $$^
endef

Q := @
# keeper and CLI that kill themselves and each other at a named point, for tests
CFLAGS_inject := $(CFLAGS_host) -DMAYFLY_INJECT
CC_inject := $(CC)

$(foreach v,host vmm san fuzz inject,$(eval $(call variant,$(v))))
$(foreach v,host vmm san fuzz inject,$(foreach f,$(FOLDERS),$(eval $(call folder_archive,$(v),$(f)))))

$(B)/host/obj/%.o: %.cc | generated
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=c++17 -g -O2 -fPIE -I. -MMD -MP -Wall -Wextra -Werror -c -o $@ $<

$(B)/san/obj/%.o: %.cc | generated
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=c++17 -g -O1 -I. -MMD -MP -Wall -Wextra -fsanitize=address,undefined -c -o $@ $<

$(B)/inject/obj/%.o: %.cc | generated
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=c++17 -g -O2 -fPIE -I. -MMD -MP -Wall -Wextra -Werror -c -o $@ $<

$(B)/fuzz/obj/%.o: %.cc | generated
	@mkdir -p $(@D)
	$(Q)$(CLANG)++ -std=c++17 -g -O1 -I. -MMD -MP -Wall -Wextra $(FUZZING) -c -o $@ $<

# ---- generated: UAPI headers as musl programs see them, seccomp filters -------------------------------------------

.PHONY: generated
generated: $(B)/uapi/.staged $(B)/uapi/video $(B)/gen/jail/filters.h

# once for a fresh tree: say what is missing before a compiler does
$(B)/uapi/.staged:
	@packaging/install-build-deps --check
	@mkdir -p $(B)/uapi
	@ln -sfn /usr/include/linux $(B)/uapi/linux
	@ln -sfn /usr/include/asm-generic $(B)/uapi/asm-generic
	@ln -sfn /usr/include/x86_64-linux-gnu/asm $(B)/uapi/asm
	@touch $@

# asm/bootparam.h asks for it
$(B)/uapi/video: | $(B)/uapi/.staged
	@ln -sfn /usr/include/video $@

# libseccomp runs here, at build time; the monitor installs the bytes
$(B)/host/bin/filtergen: jail/gen/filtergen.c $(wildcard jail/*.h) | $(B)/uapi/.staged
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -g -O1 -I. -D_GNU_SOURCE $(WARNINGS) -o $@ $< -lseccomp

$(B)/gen/jail/filters.h: $(B)/host/bin/filtergen
	@mkdir -p $(@D)
	$(Q)$< >$@

# ---- programs ------------------------------------------------------------------------------------------------------

BIN := $(B)/bin
PROGRAMS := $(BIN)/mayfly $(BIN)/mayfly-keeper $(BIN)/mayfly-vmm $(BIN)/mayfly-init $(BIN)/mayfly-inventory

.PHONY: all
all: $(PROGRAMS)
	@:

VMM_FOLDERS := vmm/monitor vmm/kvm vmm/boot vmm/virtio vmm/mem jail base

define link_vmm
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_vmm) -Wl,-Map=$@.map -o $@.full $(MUSL)/rcrt1.o $(MUSL)/crti.o $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -lc -lgcc -Wl,--end-group $(MUSL)/crtn.o
	@! readelf -lW $@.full | grep -q INTERP || { echo "$@: is dynamic" >&2; exit 1; }
	$(Q)strip -o $@ $@.full
	$(Q)chmod 755 $@ # the monitor's own uid has to run it, whatever the umask was
endef

$(BIN)/mayfly-vmm: $(B)/vmm/obj/vmm/monitor/main.o $(call archives,vmm,$(VMM_FOLDERS))
	$(link_vmm)

$(BIN)/mayfly-init: $(B)/vmm/obj/guest-init/main.o $(call archives,vmm,guest-init base)
	$(link_vmm)

$(BIN)/mayfly-keeper: $(B)/host/obj/keeper/main.o $(call archives,host,keeper store jail base)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_host) -o $@ $^ -lnl-route-3 -lnl-nf-3 -lnl-3 -lnftables

$(BIN)/mayfly-keeper-inject: $(B)/inject/obj/keeper/main.o $(call archives,inject,keeper) $(call archives,host,store jail) \
		$(call archives,inject,base)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_host) -o $@ $^ -lnl-route-3 -lnl-nf-3 -lnl-3 -lnftables

$(BIN)/mayfly-inject: $(B)/inject/obj/cli/main.o $(call archives,inject,cli) $(call archives,host,store jail) $(call archives,inject,base)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS_host) -o $@ $^ -lbearssl -ljansson -lsqlite3 -lsystemd -larchive

$(BIN)/mayfly: $(B)/host/obj/cli/main.o $(call archives,host,cli store jail base)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(LDFLAGS_host) -o $@ $^ -lbearssl -ljansson -lsqlite3 -lsystemd -larchive

$(BIN)/mayfly-inventory: $(B)/host/obj/inventory/main.o $(call archives,host,inventory base)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_host) -o $@ $^ -lnl-route-3 -lnl-nf-3 -lnl-3 -lnftables

# ---- what a guest runs -------------------------------------------------------------------------------------------

$(B)/initrd.cpio: $(BIN)/mayfly-init
	$(Q)guest-init/make-initrd $< $@

.PHONY: guest
guest: $(B)/initrd.cpio
	@mkdir -p $(B)
	$(Q)kernel=$$(kernel-configs/build guest-minimal) && ln -sfn "$$kernel/vmlinux" $(B)/vmlinux && \
		ln -sfn "$$kernel/vmlinux.sha256" $(B)/vmlinux.sha256
	$(Q)image=$$(images/build) && ln -sfn "$$image/base.erofs" $(B)/base.erofs && \
		ln -sfn "$$image/base.erofs.sha256" $(B)/base.erofs.sha256

# ---- tests ---------------------------------------------------------------------------------------------------------

PURE := vmm/mem vmm/virtio vmm/boot jail store base
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
# programs that run on the host's own kernel or in the lab: NAME.c needs the archives named in its first lines' LINK:
TOOLS := $(patsubst tests/%.c,$(B)/tests/%,$(filter-out tests/unit/% tests/fuzz/%,$(wildcard tests/*/*.c)))
# 32-bit code in a 64-bit ELF file with a PVH note; what is named *64 is 64-bit code without one
MICRO_GUESTS := $(patsubst %.c,$(B)/%.elf,$(filter-out %/guest.c,$(wildcard tests/kvm/guest/*.c)))

.PHONY: unit fuzz fuzz-run tools
unit: $(UNIT)
fuzz: $(FUZZ)
# a minute each; then what the corpora reach
fuzz-run: $(FUZZ)
	$(Q)tests/fuzz/run && tests/fuzz/coverage
tools: $(TOOLS) $(B)/bench/pump $(MICRO_GUESTS) $(B)/tests/jail/inside $(BIN)/mayfly-vmm-probe $(BIN)/mayfly-keeper-inject $(BIN)/mayfly-inject \
		$(B)/tests/chaos/unistd_64.h

# numbers of system calls, for where there are no headers
$(B)/tests/chaos/unistd_64.h:
	@mkdir -p $(@D)
	$(Q)echo '#include <asm/unistd_64.h>' | $(CC) -E -dM - >$@

$(B)/tests/unit/%: $(B)/san/obj/tests/unit/%.o $(call archives,san,cli keeper $(PURE))
	@mkdir -p $(@D)
	$(Q)$(CXX) -fsanitize=address,undefined -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		-lcmocka -lnl-route-3 -lnl-nf-3 -lnl-3 -lnftables -lbearssl -ljansson -lsqlite3 -lsystemd -larchive

# the monitor's folder is no archive of theirs
$(B)/tests/unit/test_attach: $(B)/san/obj/vmm/monitor/attach.o
$(B)/tests/unit/test_attach: $(B)/san/obj/tests/unit/test_attach.o $(call archives,san,$(PURE))
	@mkdir -p $(@D)
	$(Q)$(CC) -fsanitize=address,undefined -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		-lcmocka

# a link of its own: the guest's configuration and the host's share names
$(B)/tests/unit/test_guest_init: $(B)/san/obj/tests/unit/test_guest_init.o $(call archives,san,guest-init base)
	@mkdir -p $(@D)
	$(Q)$(CC) -fsanitize=address,undefined -o $@ $^ -lcmocka

$(B)/tests/fuzz/%: $(B)/fuzz/obj/tests/fuzz/%.o $(call archives,fuzz,$(PURE))
	@mkdir -p $(@D)
	$(Q)$(CLANG)++ -fsanitize=address,undefined,fuzzer -fprofile-instr-generate -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group

# what is fuzzed beside the pure folders, object by object: the target itself stands in for the rest
fuzzed = $(patsubst %,$(B)/fuzz/obj/%.o,$(1))
$(B)/tests/fuzz/fuzz_launch: $(call fuzzed,vmm/monitor/launch)
$(B)/tests/fuzz/fuzz_ctl: $(call fuzzed,keeper/serve keeper/pass keeper/progress)
$(B)/tests/fuzz/fuzz_guest: $(call fuzzed,keeper/control cli/agent cli/terminal)
$(B)/tests/fuzz/fuzz_init: $(call fuzzed,$(addprefix guest-init/,config command control frame say))
$(B)/tests/fuzz/fuzz_config: $(call fuzzed,cli/config cli/config_keys cli/config_policy cli/egress cli/limits cli/toml)

$(B)/tests/%: $(B)/host/obj/tests/%.o $(call archives,host,keeper $(PURE))
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_host) -o $@ $< -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		-lnl-route-3 -lnl-nf-3 -lnl-3 -lnftables

$(B)/tests/kvm/guest/%.elf: tests/kvm/guest/%.c $(addprefix tests/kvm/guest/,start.S guest.c guest.h guest.ld) | generated
	@mkdir -p $(@D) $(B)/guest
	$(Q)$(CC) -std=gnu17 -Os -m32 -march=i686 -mno-sse -mno-mmx -mno-80387 -ffreestanding -fno-pic -fno-stack-protector \
		-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror -I. -Itests/kvm/guest -nostdinc \
		-isystem $(GCC_INCLUDE) -isystem $(B)/uapi -nostdlib -static -no-pie -Wl,--build-id=none,-m,elf_i386 \
		-Wl,--no-warn-rwx-segments,-T,tests/kvm/guest/guest.ld -o $(B)/guest/$* $(filter-out %.h %.ld,$^)
	$(Q)objcopy -O elf64-x86-64 $(B)/guest/$* $@

# 64-bit code with 32-bit pointers, without a note
$(B)/tests/kvm/guest/%64.elf: tests/kvm/guest/%64.c $(addprefix tests/kvm/guest/,start64.S guest.c guest.h guest.ld) | generated
	@mkdir -p $(@D) $(B)/guest
	$(Q)$(CC) -std=gnu17 -Os -mx32 -mno-sse -mno-mmx -mno-80387 -mno-red-zone -ffreestanding -fno-pic -fno-stack-protector \
		-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -ffunction-sections -Wall -Wextra -Werror -I. \
		-Itests/kvm/guest -nostdinc -isystem $(GCC_INCLUDE) -isystem $(B)/uapi -nostdlib -static -no-pie \
		-Wl,--build-id=none,-m,elf32_x86_64,--gc-sections,--no-warn-rwx-segments,-T,tests/kvm/guest/guest.ld \
		-o $(B)/guest/$*64 $(filter-out %.h %.ld,$^)
	$(Q)objcopy -O elf64-x86-64 $(B)/guest/$*64 $@

$(B)/bench/bare: $(B)/host/obj/bench/bare.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_host) -o $@ $<

# in the monitor's place in tests/jail: linked as the monitor is
$(B)/tests/jail/inside: $(B)/vmm/obj/tests/jail/inside/main.o $(call archives,vmm,jail base)
	$(link_vmm)

# the monitor, but for what its threads do behind their filters
$(BIN)/mayfly-vmm-probe: LDFLAGS_vmm += -Wl,--wrap=jail_filter_prepare
$(BIN)/mayfly-vmm-probe: $(B)/vmm/obj/vmm/monitor/main.o $(B)/vmm/obj/tests/jail/probe/probe.o \
		$(call archives,vmm,$(VMM_FOLDERS))
	$(link_vmm)

# runs in the guests of both sides of the bench
$(B)/bench/pump: bench/pump.c
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 -D_GNU_SOURCE $(WARNINGS) -static -o $@ $<

.PHONY: root deps test demo bench clean
root:
	@[ "$$(id -u)" = 0 ] || { echo "mayfly: this needs root: sudo make $(MAKECMDGOALS)" >&2; exit 1; }

deps:
	$(Q)packaging/install-build-deps

# a second make: the first one may have run before the packages (and pkg-config's answers) were there
test: root deps
	$(Q)$(MAKE) --no-print-directory all guest unit fuzz tools
	$(Q)packaging/deb >/dev/null
	$(Q)tests/run

demo: root deps
	$(Q)$(MAKE) --no-print-directory all guest
	$(Q)demo/demo

bench: root deps
	$(Q)$(MAKE) --no-print-directory all guest $(B)/bench/pump $(B)/bench/bare
	$(Q)bench/run
	$(Q)bench/run --throughput

# hours: every death and every failed call; broken off, it goes on where it was; tests/chaos says how to take a part
.PHONY: chaos
chaos: root deps
	$(Q)$(MAKE) --no-print-directory all guest tools
	$(Q)code=0; \
	tests/chaos/kills --json tests/chaos/results/kills.json || code=1; \
	tests/chaos/kills --lab --json tests/chaos/results/kills-lab.json || code=1; \
	tests/chaos/faults --cases $(B)/chaos/faults.jsonl --json tests/chaos/results/faults.json || code=1; \
	tests/chaos/cycles --json tests/chaos/results/cycles.json || code=1; \
	tests/chaos/cycles --lab --json tests/chaos/results/cycles-lab.json || code=1; \
	tests/chaos/storm --json tests/chaos/results/storm.json || code=1; \
	tests/chaos/storm --lab --json tests/chaos/results/storm-lab.json || code=1; \
	exit $$code

.PHONY: man
man: $(BIN)/mayfly
	$(Q)docs/man/make-man $(B)/man

# the parts of the documentation that programs print
.PHONY: docs
docs: $(B)/host/bin/filtergen
	$(Q)docs/blocks

.PHONY: lines
lines: $(BIN)/mayfly-vmm
	$(Q)tests/lint/test_monitor_size --print

PREFIX := /usr

.PHONY: install uninstall deb
install: deps
	$(Q)$(MAKE) --no-print-directory all guest man
	$(Q)packaging/install --prefix $(PREFIX) $(DESTDIR)

uninstall:
	$(Q)packaging/install --remove --prefix $(PREFIX) $(DESTDIR)

deb: deps
	$(Q)$(MAKE) --no-print-directory all guest
	$(Q)packaging/deb

clean:
	rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
