/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/cpu.h"

#include <stdio.h>
#include <string.h>

#include "core/lib/log.h"

struct cpu_info cpu_info; /* [c] */
u64 cpu_features; /* [c] */

struct cpuid_regs cpuid_or_zero(u32 leaf, u32 subleaf)
{
	u32 base = leaf & 0xffff0000;
	u32 max = cpuid(base, 0).eax;

	if (max < leaf || (max & 0xffff0000) != base)
		return (struct cpuid_regs){ 0 };
	return cpuid(leaf, subleaf);
}

static void vendor_read(void)
{
	struct cpuid_regs r = cpuid(0, 0);

	memcpy(cpu_info.vendor_text, &r.ebx, 4);
	memcpy(cpu_info.vendor_text + 4, &r.edx, 4);
	memcpy(cpu_info.vendor_text + 8, &r.ecx, 4);
	if (!strcmp(cpu_info.vendor_text, "GenuineIntel"))
		cpu_info.vendor = CPU_INTEL;
	else if (!strcmp(cpu_info.vendor_text, "AuthenticAMD") ||
		 !strcmp(cpu_info.vendor_text, "HygonGenuine"))
		cpu_info.vendor = CPU_AMD;
}

/* Family and model as both vendors' CPUID chapters tell to add the extended fields. */
static void signature_read(void)
{
	u32 eax = cpuid(1, 0).eax;
	u32 family = (u32)bits_get(eax, 11, 8);
	u32 model = (u32)bits_get(eax, 7, 4);

	if (family == 15 || (family == 6 && cpu_info.vendor != CPU_AMD))
		model |= (u32)bits_get(eax, 19, 16) << 4;
	if (family == 15)
		family += (u32)bits_get(eax, 27, 20);
	cpu_info.family = family;
	cpu_info.model = model;
	cpu_info.stepping = eax & 15;
}

static void brand_read(void)
{
	char text[49] = "";

	for (u32 i = 0; i < 3; i++) {
		struct cpuid_regs r = cpuid_or_zero(0x80000002 + i, 0);

		memcpy(text + 16 * i, &r, 16);
	}
	strcpy(cpu_info.brand, text + strspn(text, " "));
	for (size_t i = strlen(cpu_info.brand); i && cpu_info.brand[i - 1] == ' '; i--)
		cpu_info.brand[i - 1] = 0;
}

static void features_read(void)
{
#define FEATURE(name, leaf, subleaf, reg, bit, text)                                               \
	if (cpuid_or_zero(leaf, subleaf).reg & BIT(bit))                                           \
		cpu_features |= BIT(CPU_FEATURE_##name);
#include "arch/x86/features.def"
#undef FEATURE
}

void cpu_init(void)
{
	u32 sizes;

	vendor_read();
	signature_read();
	cpu_info.max_extended_leaf = cpuid(0x80000000, 0).eax;
	brand_read();
	features_read();
	sizes = cpuid_or_zero(0x80000008, 0).eax;
	cpu_info.phys_bits = sizes ? sizes & 0xff : 36;
	cpu_info.virt_bits = sizes ? (sizes >> 8) & 0xff : 48;
}

#define LEVEL_SMT 1

unsigned cpu_smt_shift(void)
{
	struct cpuid_regs r = cpuid_or_zero(0xb, 0);

	if (bits_get(r.ecx, 15, 8) == LEVEL_SMT)
		return r.eax & 0x1f;
	/* AMD before Zen 2: threads of a core, less one. */
	return cpu_has_topoext() && bits_get(cpuid_or_zero(0x8000001e, 0).ebx, 15, 8) ? 1 : 0;
}

static const char *const feature_texts[] = {
#define FEATURE(name, leaf, subleaf, reg, bit, text) [CPU_FEATURE_##name] = text,
#include "arch/x86/features.def"
#undef FEATURE
};

void bits_print(char *text, size_t size, const char *what, const char *const *names, u64 bits)
{
	*text = 0;
	for (; bits; bits &= bits - 1) {
		const char *name = names[bit_first(bits)];
		size_t len = strlen(text);

		if (*name)
			snprintf(text + len, size - len, "%s%s", len ? ", " : what, name);
	}
}

void cpu_report(void)
{
	char list[160];

	bits_print(list, sizeof(list), ", ", feature_texts, cpu_features);
	log_info("CPU: %s (%s family %u model %u stepping %u)", cpu_info.brand,
		 cpu_info.vendor_text, cpu_info.family, cpu_info.model, cpu_info.stepping);
	log_info("CPU: %u physical and %u virtual address bits%s", cpu_info.phys_bits,
		 cpu_info.virt_bits, list);
}
