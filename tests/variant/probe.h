/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A core in which a guest can have the isolated code read, write and run what it should not reach.
 * By hypercalls, which are handled on the isolated tables, with the number in RAX:
 *
 *   PROBE_SCAN  try to read one word in each of RCX pages from RBX on; stops at the first that can
 *               be read: RCX says how many could not, RDX has the word. RSI 1: with the window
 *               open, as a page fault's handler opens it (V1)
 *   PROBE_WILD  RBX: what (enum wild), RCX: an address for it; nothing expects the fault
 *
 * Where to look is asked by ports, which are served on the full tables:
 *
 *   0x20c0  read: how many ranges of pages there are; they are collected anew
 *   0x20c4  write: choose one; read: its kind (enum probe_kind)
 *   0x20c8, 0x20cc, 0x20d0  its address, low and high, and how many pages it has
 *   0x20d4  write: a page of it, by number; read: 1 if the isolated tables may map that page
 *   0x20f4  read: its physical address, in pages
 *   0x20d8  read: pages that this CPU's isolated tables map, by iso_cpu_check()
 *   0x20dc  read: extra and missing ones of them, together
 *   0x20ec, 0x20f0  read: CPUs on which 0x20dc was read 10 times or more, and what it found in all
 *   0x20e0  read: faults on this CPU's isolated tables so far
 *   0x20e4  read: pages of the range whose first word is the pattern; ~0: not all are mapped on
 *           the full tables
 *   0x20f8  write: 1 if the window is open while the guest looks
 *   0x20e8  write: 1 maps a page of another VM on the isolated tables, 0 takes it away again: a
 *           mistake that must be found
 */
#ifndef TESTS_VARIANT_PROBE_H
#define TESTS_VARIANT_PROBE_H

#define PORT_RANGES 0x20c0
#define PORT_CHOICE 0x20c4
#define PORT_LOW 0x20c8
#define PORT_HIGH 0x20cc
#define PORT_PAGES 0x20d0
#define PORT_PAGE 0x20d4
#define PORT_MAPPED 0x20d8
#define PORT_WRONG 0x20dc
#define PORT_FAULTS 0x20e0
#define PORT_PATTERN 0x20e4
#define PORT_MISTAKE 0x20e8
#define PORT_CPUS 0x20ec
#define PORT_WRONG_SUM 0x20f0
#define PORT_PFN 0x20f4
#define PORT_VIEW 0x20f8

#define PROBE_SCAN 0x70726f6265ull
#define PROBE_WILD 0x70726f6266ull
#define PROBE_PATTERN 0x5ec4e7c0ffee5ec4ull

enum probe_kind {
	PROBE_OTHER_RAM, /* another VM's memory */
	PROBE_OWN_RAM,
	PROBE_DATA, /* .data and .bss, some pages of which may be mapped */
	PROBE_ALLOCATOR, /* the page allocator's maps */
	PROBE_TABLES, /* the full page tables */
	PROBE_NESTED, /* all VMs' nested page tables */
	PROBE_OTHER_CPU, /* another CPU's structure, stacks and isolated tables' root */
	PROBE_OTHER_VM, /* another VM's hot pages, APIC pages, shared page, VMCBs */
	PROBE_TEXT, /* code that is not isolated, and its constants */
	PROBE_NAMED,
	/* Together, everything that the full tables map; these must find what may be mapped. */
	PROBE_DEVICES = PROBE_NAMED,
	PROBE_DIRECT_MAP,
	PROBE_IMAGE,
	PROBE_STACKS,
	PROBE_ISOLATED, /* where only the isolated tables have something */
	PROBE_LOWEST, /* the first 16 MiB of the lower half */
	PROBE_KINDS
};

enum wild {
	WILD_READ,
	WILD_WRITE, /* to a page that is not mapped */
	WILD_WRITE_CODE, /* to isolated code */
	WILD_JUMP, /* to code that is not mapped */
	WILD_ADDRESS, /* one that is not canonical: #GP */
	WILD_OPCODE,
	WILD_WINDOW, /* a read while the window is open */
	WILD_MC, /* what a machine check does, by INT: its stack, its handler */
	WILD_DF, /* a push to nowhere, whose page fault has no stack, either */
	WILD_KINDS
};

#endif
