/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ISO-3, ISO-4, ISO-5: what can the isolated code reach? On a core built for it (tests/variant/
 * probe.h), as one VM or several: not in guests.toml, see e2e/isolation.py. The command line says
 * who this one is:
 *
 *   role=1  fills its memory with a pattern, as a secret, and has its CPU's tables checked
 *   role=2  looks for everything that it should not find
 *   role=3  has the isolated code do something wild, wild=N, and is killed for it
 *   role=4  does exits of all kinds and says so all the time
 *   role=5  says which pages there are, and does exits that need no other, in front of a debugger
 */
#include "lib/guest.h"
#include "../variant/probe.h"

const char guest_name[] = "probe";

#define HOST_CPUS 2
#define VECTOR 0x60
#define TIMER_VECTOR 0x61

#define MY_MEMORY 0x400000ull
#define MY_END 0x1000000ull
#define PAGE 4096ull
#define SCAN_MAX 2048ull
#define SEEN_MAX 2048u
#define SOME_ADDRESS 0xffff888000100000ull /* in the direct map of RAM, which is not there */
#define SOME_CODE 0xffffffff80000000ull /* the core's first function */
#define NOT_CANONICAL 0x8000000000000000ull

static const char *const kinds[PROBE_KINDS] = {
	[PROBE_OTHER_RAM] = "another VM's memory",
	[PROBE_OWN_RAM] = "its own VM's memory",
	[PROBE_DATA] = "variables of the core",
	[PROBE_ALLOCATOR] = "the page allocator's maps",
	[PROBE_TABLES] = "the full page tables",
	[PROBE_NESTED] = "nested page tables",
	[PROBE_OTHER_CPU] = "other CPUs' stacks and structures",
	[PROBE_OTHER_VM] = "another VM's hot pages",
	[PROBE_TEXT] = "other code and constants",
	[PROBE_DEVICES] = "devices",
	[PROBE_DIRECT_MAP] = "all of RAM",
	[PROBE_IMAGE] = "the core's image",
	[PROBE_STACKS] = "stacks",
	[PROBE_ISOLATED] = "the isolated tables' own",
	[PROBE_LOWEST] = "the lowest 16 MiB",
};

static struct tally {
	u64 pages, readable, off_list;
} tally[PROBE_KINDS];
static u64 faults_wanted;
static bool is_telling; /* which pages are readable */

static u64 view; /* 1: with the window open */

static void hypercall(u64 number, u64 *rbx, u64 *rcx, u64 *rdx)
{
	if (is_intel())
		__asm__ volatile("vmcall"
				 : "+a"(number), "+b"(*rbx), "+c"(*rcx), "+d"(*rdx)
				 : "S"(view)
				 : "memory");
	else
		__asm__ volatile("vmmcall"
				 : "+a"(number), "+b"(*rbx), "+c"(*rcx), "+d"(*rdx)
				 : "S"(view)
				 : "memory");
}

/* How many of `count` pages from `start` on fault before the first that does not. */
static u64 scan(u64 start, u64 count)
{
	u64 value = 0;

	hypercall(PROBE_SCAN, &start, &count, &value);
	faults_wanted += count;
	return count;
}

static void probe_range(u32 kind, u64 start, u64 pages)
{
	struct tally *t = &tally[kind];
	u64 at = 0;

	t->pages += pages;
	while (at < pages) {
		u64 count = pages - at < SCAN_MAX ? pages - at : SCAN_MAX;
		u64 done = scan(start + at * PAGE, count);

		at += done;
		if (done == count)
			continue;
		t->readable++;
		out32(PORT_PAGE, (u32)at);
		if (is_telling)
			print("LISTED %llx %x\n", start + at * PAGE, in32(PORT_PFN));
		if (!in32(PORT_PAGE)) {
			t->off_list++;
			print("readable and not on the list: %llx, %s\n", start + at * PAGE,
			      kinds[kind]);
		}
		at++;
	}
}

/* The other VM has filled its memory: so what is looked for there is there. */
static u64 secrets_count(u32 ranges, u32 wanted_kind, bool *are_mapped)
{
	u64 sum = 0;

	for (u32 i = 0; i < ranges; i++) {
		u32 kind, n;

		out32(PORT_CHOICE, i);
		kind = in32(PORT_CHOICE);
		if (kind >= PROBE_NAMED || kind == PROBE_DATA)
			continue;
		n = in32(PORT_PATTERN);
		if (n == ~0u)
			*are_mapped = false;
		else if (kind == wanted_kind)
			sum += n;
	}
	return sum;
}

static void probe_all(u32 ranges)
{
	for (u32 i = 0; i < ranges; i++) {
		u32 kind;
		u64 start;

		out32(PORT_CHOICE, i);
		kind = in32(PORT_CHOICE);
		start = in32(PORT_LOW);
		start |= (u64)in32(PORT_HIGH) << 32;
		probe_range(kind, start, in32(PORT_PAGES));
	}
}

static void report(void)
{
	u64 readable = 0, off_list = 0, pages = 0;

	for (u32 kind = 0; kind < PROBE_KINDS; kind++) {
		const struct tally *t = &tally[kind];

		check(t->pages && !t->off_list, "%s: %llu pages, %llu readable, %llu off the list",
		      kinds[kind], t->pages, t->readable, t->off_list);
		if (kind != PROBE_DATA && kind < PROBE_NAMED)
			check(!t->readable, "%s: none is readable", kinds[kind]);
		off_list += t->off_list;
		pages += t->pages;
		if (kind >= PROBE_NAMED)
			readable += t->readable;
	}
	check(readable == in32(PORT_MAPPED) + view, "%llu pages readable in all, %u mapped",
	      readable, in32(PORT_MAPPED));
	print("BENCH iso_v%llu_pages_tried %llu\n", view, pages);
	print("BENCH iso_v%llu_pages_readable %llu\n", view, readable);
	print("BENCH iso_v%llu_pages_readable_off_list %llu\n", view, off_list);
}

/* One page too many: the scan, and the core's own check, must notice. */
static void mistake_try(u32 ranges)
{
	u64 before = tally[PROBE_ISOLATED].off_list;

	out32(PORT_MISTAKE, 1);
	check(in32(PORT_WRONG) == 1, "a page of another VM in the window is noticed by iso_check");
	for (u32 i = 0; i < ranges; i++) {
		u64 start;

		out32(PORT_CHOICE, i);
		if (in32(PORT_CHOICE) != PROBE_ISOLATED)
			continue;
		start = in32(PORT_LOW);
		probe_range(PROBE_ISOLATED, start | (u64)in32(PORT_HIGH) << 32, in32(PORT_PAGES));
	}
	check(tally[PROBE_ISOLATED].off_list == before + 1, "and is found by reading");
	out32(PORT_MISTAKE, 0);
	check(in32(PORT_WRONG) == 0, "and is gone again");
}

/* All pages there are, from V0 or from V1. */
static void view_probe(u32 ranges, u64 which)
{
	u32 before = in32(PORT_FAULTS);

	for (u32 kind = 0; kind < PROBE_KINDS; kind++)
		tally[kind] = (struct tally){ 0 };
	faults_wanted = 0;
	view = which;
	out32(PORT_VIEW, (u32)which);
	probe_all(ranges);
	check(in32(PORT_FAULTS) - before == (u32)faults_wanted,
	      "V%llu: each of %llu tries has faulted", which, faults_wanted);
	report();
	view = 0;
	out32(PORT_VIEW, 0);
}

static void seek(void)
{
	u64 wanted = (MY_END - MY_MEMORY) / PAGE;
	u32 ranges = 0;
	bool are_mapped = true;

	for (u64 n = 0; n < wanted; n = secrets_count(ranges, PROBE_OTHER_RAM, &are_mapped))
		ranges = in32(PORT_RANGES);
	check(are_mapped, "the full tables map all that is looked for");
	check(secrets_count(ranges, PROBE_OWN_RAM, &are_mapped) >= wanted,
	      "own memory is full of the pattern");
	for (u32 n = 0; n < 100 || in32(PORT_CPUS) < HOST_CPUS; n++)
		(void)in32(PORT_WRONG);
	check(in32(PORT_WRONG_SUM) == 0, "iso_check on %u CPUs: nothing extra, nothing missing",
	      in32(PORT_CPUS));
	view_probe(ranges, 0);
	view_probe(ranges, 1);
	check(in32(PORT_WRONG_SUM) == 0, "iso_check: still nothing extra, nothing missing");
	mistake_try(ranges);
}

static void fill(void)
{
	for (u64 at = MY_MEMORY; at < MY_END; at += PAGE)
		*(volatile u64 *)at = PROBE_PATTERN;
}

/* Never comes back. */
static void go_wild(u64 what, u64 isolated_code)
{
	u64 address = what == WILD_JUMP	      ? SOME_CODE
		      : what == WILD_WRITE_CODE ? isolated_code
		      : what == WILD_ADDRESS	? NOT_CANONICAL
						: SOME_ADDRESS;
	u64 nothing = 0;

	hypercall(PROBE_WILD, &what, &address, &nothing);
	check(false, "the wild access %llu came back", what);
}

/* A page that the isolated tables map for execution: somewhere in the image. */
static u64 isolated_code_find(void)
{
	u64 at = SOME_CODE;

	while (at < SOME_CODE + 0x1000000 && scan(at, SCAN_MAX) == SCAN_MAX)
		at += SCAN_MAX * PAGE;
	return at + scan(at, SCAN_MAX) * PAGE;
}

/* Exits of the isolated code and of the full one, with the right answers, and the tables right. */
static void live(void)
{
	struct cpuid first = cpuid(0, 0);
	u64 nothing = 0, more = 0, number = 1;
	u8 mask = in8(0x21); /* of the PIC: the slow way */

	for (u32 round = 0;; round++) {
		struct cpuid again = cpuid(0, 0);

		hypercall(number, &nothing, &more, &nothing);
		if (again.a != first.a || again.b != first.b || in8(0x21) != mask ||
		    in32(PORT_WRONG))
			check(false, "round %u is wrong", round);
		if (round % 64 == 0)
			print("alive %u wrong %u mapped %u\n", round, in32(PORT_WRONG),
			      in32(PORT_MAPPED));
	}
}

static void on_irq(struct frame *f)
{
	(void)f;
	apic_eoi();
}

/* Each kind of exit that is handled on the isolated tables. */
static void exits(void)
{
	static u64 fresh = MY_MEMORY;
	u64 nothing = 0, more = 0;

	if (fresh < MY_END)
		*(volatile u64 *)fresh = 0;
	fresh += 0x200000;
	for (u32 leaf = 0; leaf < 3; leaf++)
		(void)cpuid(leaf, 0);
	hypercall(1, &nothing, &more, &nothing);
	(void)rdmsr(0x802);
	wrmsr(0x808, 0);
	(void)in8(0x3fd);
	if (is_telling) /* one: what prints it needs long */
		out8(0x3f8, '\n');
	is_telling = false;
	__asm__ volatile("wbinvd" : : : "memory");
	wrmsr(0x83f, VECTOR);
	sti_nop_cli();
	apic_icr(apic_id(), 0x4000 | VECTOR);
	sti_nop_cli();
	wrmsr(0x83f, VECTOR);
	sti_hlt_cli();
	write_cr8(0xf);
	write_cr8(0);
	sti();
	wrmsr(0x6e0, rdtsc() + 500);
	for (u32 i = 0; i < 50; i++)
		(void)cpuid(0, 0);
	cli();
}

static void show(void)
{
	u32 ranges = in32(PORT_RANGES);

	pic_mask_all();
	x2apic_enable();
	wrmsr(0x80f, 0x1ff);
	handler_set(VECTOR, on_irq);
	handler_set(TIMER_VECTOR, on_irq);
	apic_write(0x320, 0x40000 | TIMER_VECTOR);
	exits();
	is_telling = true;
	for (u32 i = 0; i < ranges; i++) {
		u64 start;

		out32(PORT_CHOICE, i);
		out32(PORT_PAGE, 0);
		if (in32(PORT_CHOICE) == PROBE_NESTED)
			print("NESTED %x\n", in32(PORT_PFN));
		if (in32(PORT_CHOICE) < PROBE_NAMED)
			continue;
		start = in32(PORT_LOW);
		probe_range(in32(PORT_CHOICE), start | (u64)in32(PORT_HIGH) << 32,
			    in32(PORT_PAGES));
	}
	print("LISTED ends\n");
	/* Until that has been printed, which needs host interrupts: exits let them in. */
	for (u32 i = 0; i < 500; i++) {
		wait_ticks(100000);
		(void)in8(0x21);
	}
	__asm__ volatile("xchgw %bx, %bx"); /* Bochs' debugger or QEMU's plugin begins */
	for (u32 i = 0; i < 20; i++)
		exits();
}

void guest_main(void)
{
	u64 role = argument("role", 2);

	if (role < 4)
		fill();
	if (role == 1) {
		print("the secret is in place\n");
		for (;;) {
			(void)in32(PORT_WRONG);
			wait_ticks(1000000);
		}
	}
	if (role == 3)
		go_wild(argument("wild", 0), isolated_code_find());
	if (role == 4)
		live();
	if (role == 5)
		show();
	else
		seek();
}
