/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One inline function per instruction that C has no word for. Owns nothing. From any context
 * unless a comment says otherwise; all are privileged except CPUID, RDTSC, PAUSE and the fences.
 *
 * The _safe forms survive a fault of the instruction: they leave an entry in .ex_table, and the
 * exception handler continues at the fix-up address (arch/x86/trap.c).
 */
#ifndef ARCH_X86_INSN_H
#define ARCH_X86_INSN_H

#include "arch/x86/regs.h"
#include "arch/x86/types.h"
#include "core/lib/err.h"

/* One line of the exception table: a fault at `from` continues at `to`. Both self-relative. */
#define EX_TABLE(from, to)                                                                         \
	".pushsection .ex_table, \"a\"\n\t.balign 4\n\t"                                           \
	".long " from " - .\n\t.long " to " - .\n\t.popsection\n\t"

/* One instruction that may fault; %[fault], an early output, says whether it did. */
#define SAFE(insn)                                                                                 \
	"movl $1, %[fault]\n"                                                                      \
	"1: " insn "\n\t"                                                                          \
	"xorl %[fault], %[fault]\n"                                                                \
	"2:\n\t" EX_TABLE("1b", "2b")

static inline struct cpuid_regs cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid_regs r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(subleaf));
	return r;
}

/* MSRs that must exist: a #GP here is a bug of ours and panics. */
static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32))
			 : "memory");
}

/* Not ordered against anything: use rdtsc_ordered() where earlier loads matter. */
static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

static inline u64 rdtsc_ordered(void)
{
	u32 lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (u64)hi << 32 | lo;
}

/* Port I/O: in8(port), out8(port, value) and so on. */
#define INSN_PORT(bits, suffix)                                                                    \
	static inline u##bits in##bits(u16 port)                                                   \
	{                                                                                          \
		u##bits value;                                                                     \
                                                                                                   \
		__asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port) : "memory");     \
		return value;                                                                      \
	}                                                                                          \
	static inline void out##bits(u16 port, u##bits value)                                      \
	{                                                                                          \
		__asm__ volatile("out" suffix " %1, %0" : : "Nd"(port), "a"(value) : "memory");    \
	}

INSN_PORT(8, "b")
INSN_PORT(16, "w")
INSN_PORT(32, "l")
#undef INSN_PORT

/* Device registers in memory: one access of exactly this width, not moved by the compiler. */
#define INSN_MMIO(bits, mov)                                                                       \
	static inline u##bits mmio_read##bits(const volatile void *p)                              \
	{                                                                                          \
		u##bits value;                                                                     \
                                                                                                   \
		__asm__ volatile(mov " %1, %0"                                                     \
				 : "=r"(value) : "m"(*(const volatile u##bits *)p) : "memory");    \
		return value;                                                                      \
	}                                                                                          \
	static inline void mmio_write##bits(volatile void *p, u##bits value)                       \
	{                                                                                          \
		__asm__ volatile(mov " %1, %0"                                                     \
				 : "=m"(*(volatile u##bits *)p) : "r"(value) : "memory");          \
	}
INSN_MMIO(8, "movb")
INSN_MMIO(32, "movl")
#undef INSN_MMIO

/* Control and debug registers */
#define INSN_REG(name, reg)                                                                        \
	static inline u64 read_##name(void)                                                        \
	{                                                                                          \
		u64 value;                                                                         \
                                                                                                   \
		__asm__ volatile("mov %%" reg ", %0" : "=r"(value) : : "memory");                  \
		return value;                                                                      \
	}                                                                                          \
	static inline void write_##name(u64 value)                                                 \
	{                                                                                          \
		__asm__ volatile("mov %0, %%" reg : : "r"(value) : "memory");                      \
	}

INSN_REG(cr0, "cr0")
INSN_REG(cr2, "cr2")
INSN_REG(cr3, "cr3")
INSN_REG(cr4, "cr4")
INSN_REG(dr0, "dr0")
INSN_REG(dr1, "dr1")
INSN_REG(dr2, "dr2")
INSN_REG(dr3, "dr3")
INSN_REG(dr6, "dr6")
INSN_REG(dr7, "dr7")

/* The addresses of the breakpoints. */
static inline void debug_addresses_load(const u64 dr[4])
{
	write_dr0(dr[0]);
	write_dr1(dr[1]);
	write_dr2(dr[2]);
	write_dr3(dr[3]);
}

static inline void debug_addresses_save(u64 dr[4])
{
	dr[0] = read_dr0();
	dr[1] = read_dr1();
	dr[2] = read_dr2();
	dr[3] = read_dr3();
}
#undef INSN_REG

/* A _safe instruction without outputs as a function, and its inputs: ERR_FAULT if it did. */
#define INSN_SAFE(name, parameters, insn, ...)                                                     \
	static inline enum err name parameters                                                     \
	{                                                                                          \
		u32 fault;                                                                         \
                                                                                                   \
		__asm__ volatile(SAFE(insn)                                                        \
				 : [fault] "=&r"(fault) : __VA_ARGS__ : "memory", "cc");           \
		return fault ? ERR_FAULT : ERR_NONE;                                               \
	}

/* Extended control register 0; needs CR4.OSXSAVE. */
INSN_SAFE(xsetbv_safe, (u32 index, u64 value), "xsetbv",
	  "c"(index), "a"((u32)value), "d"((u32)(value >> 32)))

/* Instructions without operands. */
#define INSN_BARE(name, insn)                                                                      \
	static inline void name(void)                                                              \
	{                                                                                          \
		__asm__ volatile(insn : : : "memory");                                             \
	}

INSN_BARE(cli, "cli")
INSN_BARE(sti, "sti")
INSN_BARE(hlt, "hlt")
/* Sleep until an interrupt, which cannot slip in between: STI holds it back by one instruction. */
INSN_BARE(sti_hlt, "sti; hlt")
INSN_BARE(cpu_pause, "pause")
INSN_BARE(mfence, "mfence")
INSN_BARE(lfence, "lfence")
INSN_BARE(fninit, "fninit")
#undef INSN_BARE

static inline u64 rflags_read(void)
{
	u64 flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
	return flags;
}

/* Interrupts off; returns what irq_restore() needs to put the flag back. */
static inline u64 irq_save(void)
{
	u64 flags = rflags_read();

	cli();
	return flags;
}

static inline void irq_restore(u64 flags)
{
	if (flags & RFLAGS_IF)
		sti();
}

/* Descriptor tables, as LGDT and LIDT want them. */
struct table_register {
	u16 limit;
	u64 base;
} __packed;
_Static_assert(sizeof(struct table_register) == 10, "table register layout");

/* Instructions with one operand: `v`, or what it points to. */
#define INSN_ON(name, type, insn, how, operand)                                                    \
	static inline void name(type v)                                                            \
	{                                                                                          \
		__asm__ volatile(insn : : how(operand) : "memory");                                \
	}

INSN_ON(invlpg, const void *, "invlpg (%0)", "r", v)
INSN_ON(clflush, const void *, "clflush (%0)", "r", v)
INSN_ON(lgdt, const struct table_register *, "lgdt %0", "m", *v)
INSN_ON(lidt, const struct table_register *, "lidt %0", "m", *v)
INSN_ON(ltr, u16, "ltr %0", "r", v)
INSN_ON(lldt, u16, "lldt %0", "r", v)
INSN_ON(insn_fxsave, void *, "fxsave64 (%0)", "r", v)
#undef INSN_ON

/* Load CS with `code` by a far return, the data segments with `data`, FS and GS with null. */
static inline void segments_load(u16 code, u16 data)
{
	__asm__ volatile("pushq %q0\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\n\t"
			 "movl %1, %%ds\n\t"
			 "movl %1, %%es\n\t"
			 "movl %1, %%ss\n\t"
			 "xorl %%eax, %%eax\n\t"
			 "movl %%eax, %%fs\n\t"
			 "movl %%eax, %%gs\n\t"
			 :
			 : "r"((u64)code), "r"((u32)data)
			 : "rax", "memory");
}

/* The 8 bytes at GS:offset; with GS base at this CPU's struct percpu. */
static inline u64 gs_read(u64 offset)
{
	u64 value;

	__asm__ volatile("movq %%gs:(%1), %0" : "=r"(value) : "r"(offset));
	return value;
}

/* Base addresses through MSRs, which every CPU has (FSGSBASE is optional). */
static inline u64 gs_base_read(void)
{
	return rdmsr(MSR_GS_BASE);
}

static inline void gs_base_write(u64 base)
{
	wrmsr(MSR_GS_BASE, base);
}

/* Hardware random number; false if the CPU had none just now. Needs RDRAND. */
static inline bool rdrand(u64 *value)
{
	bool ok;

	__asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(ok));
	return ok;
}

/* Extended state. `area` is 64-byte aligned (16 for FXSAVE); `mask` selects state components. */
static inline void insn_xsave(void *area, u64 mask)
{
	__asm__ volatile("xsave64 (%0)"
			 :
			 : "r"(area), "a"((u32)mask), "d"((u32)(mask >> 32))
			 : "memory");
}

/* ERR_FAULT if the area is not valid: a guest's own XSAVE area never gets here, ours is. */
INSN_SAFE(insn_xrstor_safe, (const void *area, u64 mask), "xrstor64 (%[area])",
	  [area] "r"(area), "a"((u32)mask), "d"((u32)(mask >> 32)))

INSN_SAFE(insn_fxrstor_safe, (const void *area), "fxrstor64 (%[area])", [area] "r"(area))

/* Memory that may not be mapped. */
#define LOAD_SAFE(bits, mov)                                                                       \
	static inline enum err load##bits##_safe(const void *p, u##bits *value)                    \
	{                                                                                          \
		u32 fault;                                                                         \
                                                                                                   \
		__asm__ volatile(SAFE(mov " (%[p]), %[value]")                                     \
				 : [fault] "=&r"(fault), [value] "=&r"(*value)                     \
				 : [p] "r"(p)                                                      \
				 : "memory", "cc");                                                \
		return fault ? ERR_FAULT : ERR_NONE;                                               \
	}
LOAD_SAFE(8, "movb")
LOAD_SAFE(64, "movq")
#undef LOAD_SAFE

INSN_SAFE(store8_safe, (void *p, u8 value), "movb %[value], (%[p])",
	  [p] "r"(p), [value] "q"(value))
#undef INSN_SAFE

/* a * b / c with 128 bits in between; the result must fit 64 bits, c != 0, or it faults. */
static inline u64 mul_div_u64(u64 a, u64 b, u64 c)
{
	u64 result, rest;

	__asm__("mulq %3\n\tdivq %4"
		: "=a"(result), "=&d"(rest)
		: "a"(a), "r"(b), "r"(c)
		: "cc");
	return result;
}

/* An undefined instruction, for deliberate ends. */
static inline __noreturn void ud2(void)
{
	__asm__ volatile("ud2");
	__builtin_unreachable();
}

/* #BP of our own: in two bytes, to be told from the INT3 that a debugger writes. */
static inline void breakpoint_raise(void)
{
	__asm__ volatile(".byte 0xcd, 3" : : : "memory");
}

#endif
