/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of the probe that runs on the isolated tables; see probe.h. */
#include "arch/x86/insn.h"
#include "arch/x86/iso_window.h"
#include "core/hypercall.h"
#include "core/vcpu.h"
#include "core/vm_iso.h"
#include "tests/variant/probe.h"

enum next __real_hypercall_fast(struct vcpu_hot *hot);
enum next __wrap_hypercall_fast(struct vcpu_hot *hot);

/* Is there something to read? The exception table knows the load: iso_trap() goes on behind it. */
ISO_TEXT NOINLINE static bool read_try(u64 address, u64 *value)
{
	u32 fault;
	u64 word = 0;

	__asm__ volatile(SAFE("movq (%[address]), %[word]")
			 : [fault] "=&r"(fault), [word] "+r"(word)
			 : [address] "r"(address)
			 : "memory", "cc");
	*value = word;
	return !fault;
}

ISO_TEXT NOINLINE static void scan(const struct vcpu_hot *hot, u64 *gprs)
{
	bool is_window = gprs[GPR_RSI];
	u64 value = 0, i;

	if (is_window)
		iso_window_open(hot->percpu, (hpa_t){ hot->vm_iso->npt.root });
	for (i = 0; i < gprs[GPR_RCX]; i++)
		if (read_try(gprs[GPR_RBX] + i * PAGE_SIZE, &value))
			break;
	if (is_window)
		iso_window_close(hot->percpu);
	gprs[GPR_RCX] = i;
	gprs[GPR_RDX] = value;
}

/* None of these is expected by anybody. */
ISO_TEXT NOINLINE static void wild(const struct vcpu_hot *hot, u64 what, u64 address)
{
	if (what == WILD_WINDOW)
		iso_window_open(hot->percpu, (hpa_t){ hot->vm_iso->npt.root });
	if (what == WILD_READ || what == WILD_ADDRESS || what == WILD_WINDOW)
		(void)*(volatile u64 *)address;
	else if (what == WILD_WRITE || what == WILD_WRITE_CODE)
		*(volatile u64 *)address = 0;
	else if (what == WILD_JUMP)
		__asm__ volatile("jmp *%0" : : "r"(address));
	else if (what == WILD_MC)
		__asm__ volatile("int $18");
	else if (what == WILD_DF)
		__asm__ volatile("movq %0, %%rsp; pushq %%rax" : : "r"(address) : "memory");
	else
		__asm__ volatile("ud2");
}

ISO_TEXT enum next __wrap_hypercall_fast(struct vcpu_hot *hot)
{
	u64 *gprs = hot->gprs;

	if (gprs[GPR_RAX] == PROBE_SCAN)
		scan(hot, gprs);
	else if (gprs[GPR_RAX] == PROBE_WILD)
		wild(hot, gprs[GPR_RBX], gprs[GPR_RCX]);
	return __real_hypercall_fast(hot);
}
