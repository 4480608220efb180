/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library of the test guests: small programs that run alone on a VM, check what they see and
 * say so on the first serial port, one line per case, then end the VM by the test device's exit
 * port with 0 if all went well. One flat address space, no interrupts but those that a test asks
 * for.
 */
#ifndef TESTS_GUEST_LIB_GUEST_H
#define TESTS_GUEST_LIB_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef long long s64;

#define BIT(n) (1ull << (n))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* --- what a program brings --- */
extern const char guest_name[];
void guest_main(void);

/* --- output --- */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* %s %c %u %x %llx %llu */
/* One case: "ok text" or "FAIL text". */
void check(bool condition, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void guest_exit(u32 code) __attribute__((noreturn));

/* The number behind NAME= on the command line, or `otherwise`. Multiboot only. */
u64 argument(const char *name, u64 otherwise);

/* --- instructions --- */
static inline void out8(u16 port, u8 v) { __asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port)); }
static inline void out16(u16 port, u16 v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port));
}
static inline void out32(u16 port, u32 v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port));
}
static inline u8 in8(u16 port)
{
	u8 v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline u16 in16(u16 port)
{
	u16 v;
	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline u32 in32(u16 port)
{
	u32 v;
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
struct cpuid {
	u32 a, b, c, d;
};
static inline struct cpuid cpuid(u32 leaf, u32 sub)
{
	struct cpuid r;
	__asm__ volatile("cpuid"
			 : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
			 : "a"(leaf), "c"(sub));
	return r;
}
static inline u64 rdtsc(void)
{
	u32 lo, hi;
	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (u64)hi << 32 | lo;
}
static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}
static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
#define REG(name)                                                                                  \
	static inline u64 read_##name(void)                                                        \
	{                                                                                          \
		u64 v;                                                                             \
		__asm__ volatile("mov %%" #name ", %0" : "=r"(v));                                 \
		return v;                                                                          \
	}                                                                                          \
	static inline void write_##name(u64 v)                                                     \
	{                                                                                          \
		__asm__ volatile("mov %0, %%" #name : : "r"(v) : "memory");                        \
	}
REG(cr0)
REG(cr2)
REG(cr3)
REG(cr4)
REG(cr8)
REG(dr6)
REG(dr7)
static inline void cli(void) { __asm__ volatile("cli" : : : "memory"); }
static inline void sti(void) { __asm__ volatile("sti" : : : "memory"); }
static inline void pause(void) { __asm__ volatile("pause" : : : "memory"); }
static inline void sti_hlt_cli(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }
static inline void sti_nop_cli(void) { __asm__ volatile("sti; nop; nop; cli" : : : "memory"); }
bool is_intel(void); /* asked once: CPUID exits */
/*
 * Let the hypervisor have a look: in loops with IF = 0, where Bochs does not let host interrupts
 * end the guest's run.
 */
static inline void exit_now(void) { (void)cpuid(0, 0); }
/* A pseudo-random number; *state is not 0. */
static inline u32 random_next(u32 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}
static inline u32 mmio_read(u64 address) { return *(volatile u32 *)address; }
static inline void mmio_write(u64 address, u32 v) { *(volatile u32 *)address = v; }

/* --- exceptions and interrupts --- */
struct frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};
/* Call `fn` for `vector`; NULL takes it away. */
void handler_set(u8 vector, void (*fn)(struct frame *f));
extern volatile u64 nr_interrupts[256];
/* Enter `code`, which ends with IRETQ itself, for `vector`. */
void gate_set(u8 vector, const u8 *code);

/* Run one instruction; if it faults go on behind it. Returns the vector, or NO_FAULT. */
#define NO_FAULT 0xffffu
extern volatile u64 fault_resume, fault_error, fault_vector;
#define FAULT_OF(insn, ...)                                                                        \
	({                                                                                         \
		fault_vector = NO_FAULT;                                                           \
		__asm__ volatile("movq $77f, fault_resume\n\t" insn "\n77:\tmovq $0, fault_resume" \
				 __VA_ARGS__);                                                     \
		(u32) fault_vector;                                                                \
	})
u32 rdmsr_fault(u32 msr, u64 *value);
u32 wrmsr_fault(u32 msr, u64 value);

/* Map the 4 KiB page at `va` with these entry bits; the 2 MiB around it become small pages. */
void page_map(u64 va, u64 pa, u64 bits);

/* --- interrupt controllers and other CPUs --- */
#define APIC_BASE 0xfee00000ull
#define IOAPIC_BASE 0xfec00000ull
u32 apic_read(u32 reg); /* register offsets of the xAPIC page, in either mode */
void apic_write(u32 reg, u32 value);
void apic_icr(u32 dest, u32 low);
void apic_enable(void);
void x2apic_enable(void);
void apic_eoi(void);
u32 apic_id(void);
u32 nr_cpus(void);
void ioapic_route(u32 pin, u64 entry);
u32 ioapic_read(u32 reg);
void pic_mask_all(void);

/* Start CPU `id`; it runs `fn` and then halts. True when fn has begun. */
bool cpu_start(u32 id, void (*fn)(void));
extern volatile u32 nr_cpus_started;
extern volatile u16 ap_seen_cs;

/* Wait until *p reaches `value`, or a long time has passed; true if it did. */
bool wait_for(const volatile u64 *p, u64 value);
void wait_ticks(u64 ticks);

#endif
