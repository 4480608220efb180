/* SPDX-License-Identifier: BSD-2-Clause */
/* Exits that the isolated tables are there for, and not many others: what share stays on them? */
#include "lib/bench.h"

const char guest_name[] = "bench_fast";

void guest_main(void)
{
	pic_mask_all();
	x2apic_enable();
	bench_begin();
	MEASURE("cpuid", cpuid(0, 0));
	MEASURE("cpuid_1", cpuid(1, 0));
	MEASURE("cpuid_7", cpuid(7, 0));
	MEASURE("cpuid_kvm", cpuid(0x40000000, 0));
	MEASURE("rdmsr", rdmsr(0x802)); /* x2APIC ID */
	MEASURE("rdmsr_tpr", rdmsr(0x808));
	MEASURE("tpr_write", wrmsr(0x808, 0x20));
	MEASURE("tpr_back", wrmsr(0x808, 0));
	MEASURE("eoi", wrmsr(0x80b, 0)); /* of nothing */
	check(true, "all measured");
}
