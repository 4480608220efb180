/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The other modes of the CPU: real mode, with 64 KiB and with 4 GiB segments, protected mode
 * without paging, with two-level and with PAE paging, and virtual-8086 mode. Each piece of code
 * leaves what it has seen in memory; this program judges it when it is back in long mode.
 */
#include "lib/guest.h"

const char guest_name[] = "modes";

#define DEV 0xff000000ull
#define BLOB 0x10000ull /* where the 16-bit code is copied to; its segment is 0x1000 */
#define PAGED_VA 0x40000000u /* what the page tables of the 32-bit modes map */
#define RAM_PAGE 0x3000000u

/*
 * Selectors: 08 64-bit code, 10 data, 18 32-bit code, 20 16-bit code at BLOB, 28 16-bit data,
 * 30 the device's first page, 38 the same read-only, 40 expands down to 4 KiB, 48 TSS.
 * A function is entered with DS = the blob (16 bits) or flat (32 bits) and may change every
 * register. TRAP runs one instruction and notes vector, error code and whether IP was its own.
 */
__asm__(R"(
	.data
	.balign 16
modes_gdt:
	.quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cf9b000000ffff
	.quad 0x00009b010000ffff, 0x000093000000ffff
	.quad 0xff40930000000fff, 0xff40910000000fff, 0x00c0970000000000
modes_gdt_tss:
	.quad 0x0000890000002067
	.globl modes_gdt_tss
modes_gdt_end:
modes_gdt_pointer: .word modes_gdt_end - modes_gdt - 1
	.quad modes_gdt
real_idt: .word 0x3ff
	.quad 0
saved_idt: .skip 10
	.balign 8
saved_rsp: .quad 0
prot_fn: .long 0
	.globl prot_log, prot_nr, prot_idt
prot_nr: .long 0
prot_log: .skip 4 * 128
prot_resume: .long 0
prot_esp: .long 0
	.balign 8
prot_idt_pointer: .word 8 * 32 - 1
	.long prot_idt
	.balign 8
prot_idt: .skip 8 * 32
	.skip 8192
prot_stack:

	.text
	.code64
	.globl mode_real, mode_prot
mode_real: /* RDI: offset of the function in the blob */
	movw %di, BLOB_FN
	movl $0, prot_fn
	jmp 1f
mode_prot: /* RDI: the function */
	movl %edi, prot_fn
1:	pushfq
	cli
	.irp r, rbx, rbp, r12, r13, r14, r15
	pushq %\r
	.endr
	sidt saved_idt
	movq %rsp, saved_rsp
	lgdt modes_gdt_pointer
	pushq $0x18
	pushq $compat
	lretq
	.code32
compat:
	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $prot_stack, %esp
	movl %cr0, %eax
	andl $0x7fffffff, %eax
	movl %eax, %cr0
	movl $0xc0000080, %ecx
	rdmsr
	andl $~0x100, %eax
	wrmsr
	cmpl $0, prot_fn
	je 1f
	lidt prot_idt_pointer
	call *prot_fn
	jmp back32
1:	lidt real_idt
	ljmp $0x20, $enter16 - blob
	.globl back32
back32:
	movl $0x10, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	movl %cr0, %eax /* paging off, in case that a function has turned it on */
	andl $0x7fffffff, %eax
	movl %eax, %cr0
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $pml4, %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80010000, %eax
	movl %eax, %cr0
	ljmp $0x08, $1f
	.code64
1:	movq saved_rsp, %rsp
	lidt saved_idt
	.irp r, r15, r14, r13, r12, rbp, rbx
	popq %\r
	.endr
	popfq
	ret

	/* --- 16-bit code, copied to BLOB --- */
	.set BLOB, 0x10000
	.macro OFFSETS names:vararg
	.irp n, \names
	.set o_\n, \n - blob
	.globl o_\n
	.endr
	.endm
	.code16
	.balign 16
	.globl blob, blob_end
blob:
enter16:
	movw $0x28, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw %ax, %fs
	movw %ax, %gs
	movl %cr0, %eax
	andb $0xfe, %al
	movl %eax, %cr0
	ljmp $0x1000, $1f - blob
1:	movw %cs, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $0xff00, %sp
	cld
	call *o_fn
	cli
	movw $0x1000, %ax
	movw %ax, %ds
	lgdtl o_gdt_pointer
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	ljmpl $0x18, $back32

	.macro TRAP insn:vararg
	movw $8f - blob, o_resume
	movw %sp, o_sp
	movw $7f - blob, o_at
7:	\insn
8:	addw $4, o_nr
	.endm
	.irp v, 0, 1, 3, 4, 5, 6, 12, 13
trap\v:	pushw $\v
	jmp trap_note
	.endr
trap_note:
	popw %ax
	movw o_nr, %bx
	movw %ax, o_log(%bx)
	popw %ax
	subw o_at, %ax
	movw %ax, o_log+2(%bx)
	movw o_sp, %sp
	jmp *o_resume

	/* INT, its handler, and what IRET gives back. */
real_int:
	movw %cs, %ax
	movw %ax, o_log
	sti
	stc
	int $0x60
after_int:
	pushf
	popw o_log+2
	ret
int60:	pushf
	popw o_log+4
	movw %sp, %bp
	movw (%bp), %ax
	subw $after_int - blob, %ax
	movw %ax, o_log+6
	movw 2(%bp), %ax
	movw %ax, o_log+8
	clc
	iret

real_strings:
	movw $0x2000, %ax
	movw %ax, %es
	xorw %si, %si
	xorw %di, %di
	movw $256, %cx
	rep movsb
	std
	movw $254, %si
	movw $0x2fe, %di
	movw $128, %cx
	rep movsw
	cld
	movw $0x400, %di
	movl $0x5a5a1234, %eax
	movw $8, %cx
	rep stosl
	ret

real_ports:
	movl $0x12345678, %eax
	outl %eax, $0xe0
	inb $0xe1, %al
	movl %eax, o_log
	inw $0xe2, %ax
	movl %eax, o_log+4
	movw $0xe0, %dx
	movw $o_text, %si
	movw $5, %cx
	rep outsb
	movw %si, o_log+8
	movw %cx, o_log+10
	inl %dx, %eax
	movl %eax, o_log+12
	movw $o_log+16, %di
	movw $3, %cx
	rep insl
	movw %di, o_log+28
	movw $0x5678, %dx
	inb %dx, %al
	movb %al, o_log+30
	ret

real_system:
	xorl %eax, %eax
	cpuid
	movl %ebx, o_log
	movl $0xc0000080, %ecx
	rdmsr
	movl %eax, o_log+4
	movl $0xc0000082, %ecx
	movl $0x1234567, %eax
	movl $0xffffffff, %edx
	wrmsr
	xorl %eax, %eax
	xorl %edx, %edx
	rdmsr
	movl %eax, o_log+8
	smsw %ax
	movw %ax, o_log+12
	movl %cr0, %eax
	movl %eax, o_log+16
	sidtw o_log+20
	movl $0x55aa0000, %eax
	movl %eax, %cr2
	xorl %eax, %eax
	movl %cr2, %eax
	movl %eax, o_log+28
	ret

real_traps:
	xorw %cx, %cx
	TRAP divb %cl
	TRAP int3
	movb $0x7f, %al
	addb $1, %al
	TRAP into
	movw $9, %ax
	TRAP boundw %ax, o_bounds
	TRAP ud2
	TRAP movw 0xffff, %ax
	movw $0xffff, %bp
	TRAP movw (%bp), %ax
	movl $0x10000, %esi
	TRAP movb (%esi), %al
	TRAP lldt %ax
	TRAP ltr %ax
	movl $0xdeadbeef, %ecx
	TRAP rdmsr
	movw $0xa000, %ax /* nothing is there: the emulator checks the limit */
	movw %ax, %es
	TRAP movw %es:0xffff, %ax
	movw $0xfffe, %di
	TRAP stosl
	ret

	/* Where nothing is, 64 KiB above 1 MiB, and a far call. */
real_memory:
	movw $0xa000, %ax
	movw %ax, %es
	movl %es:0x100, %eax
	movl %eax, o_log
	movb $7, %es:0x100
	incb %es:0x100
	movb %es:0x100, %al
	movb %al, o_log+4
	movw $0xffff, %ax
	movw %ax, %es
	movl %es:0x10, %eax
	movl %eax, o_log+8
	lcallw $0x0fff, $16 + far_code - blob
	movw %ax, o_log+12
	pushw $0x1234
	pushl $0x56789abc
	movw %sp, %bp
	movl 2(%bp), %eax
	movl %eax, o_log+16
	addw $6, %sp
	ret
far_code:
	movw %cs, %ax
	lret

	/* 4 GiB segments: devices from real mode. */
real_big:
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	movw $0x10, %bx
	movw %bx, %es
	andb $0xfe, %al
	movl %eax, %cr0
	movl $0xff000100, %ebx
	movl $0xcafe1234, %es:(%ebx)
	addw $0x1111, %es:2(%ebx)
	movl %es:(%ebx), %eax
	movl %eax, o_log
	movl $0xfec00000, %ebx
	movl $1, %es:(%ebx)
	movl %es:0x10(%ebx), %eax
	movl %eax, o_log+4
	movl $0x3000000, %ebx
	movl $0x600dbeef, %es:(%ebx)
	movl %es:(%ebx), %eax
	movl %eax, o_log+8
	ret

	/* PIT through the PIC, with the vectors at 0x50; then an NMI to ourselves by x2APIC. */
real_irq:
	movl $0, o_log
	movw $3, %cx
1:	sti
	hlt
	cli
	cmpw %cx, o_log
	jb 1b
	movl $0x830, %ecx
	xorl %edx, %edx
	movl $0x4400, %eax
	wrmsr
	movl $100000, %ecx
2:	cmpw $0, o_log+2
	jne 3f
	decl %ecx
	jnz 2b
3:	ret
irq50:	pushw %ax
	incw %cs:o_log
	movb $0x20, %al
	outb %al, $0x20
	popw %ax
	iret
nmi:	incw %cs:o_log+2
	iret

	/* In virtual-8086 mode: from protected mode by IRET, back by INT, which raises #GP. */
v86_code:
	movl $0x77, %eax
	outl %eax, $0xe0
	xorl %eax, %eax
	inb $0xe0, %al
	movl %eax, o_log
	movw $0xa000, %ax
	movw %ax, %es
	movl %es:8, %eax
	movl %eax, o_log+4
	xorl %eax, %eax
	cpuid
	movl %ebx, o_log+8
	movw %cs, o_log+12
v86_int: int $0x21

	.balign 4
text:	.ascii "abcde"
	.balign 4
bounds:	.word 1, 8
fn:	.word 0
resume:	.word 0
sp:	.word 0
at:	.word 0
nr:	.word 0
gdt_pointer: .word modes_gdt_end - modes_gdt - 1
	.long modes_gdt
	.balign 16
log:	.skip 256, 0xff
blob_end:
	OFFSETS fn, resume, sp, at, nr, log, text, bounds, gdt_pointer, int60, irq50, nmi
	OFFSETS trap0, trap1, trap3, trap4, trap5, trap6, trap12, trap13, v86_code, v86_int
	OFFSETS real_int, real_strings, real_ports, real_system, real_traps, real_memory, real_big
	OFFSETS real_irq
	.set BLOB_FN, BLOB + fn - blob

	/* --- 32-bit code --- */
	.code32
	.macro TRAP32 insn:vararg
	movl $8f, prot_resume
	movl %esp, prot_esp
	\insn
8:	addl $4, prot_nr
	.endm
	.macro NOTE reg
	pushl %ebx
	movl prot_nr, %ebx
	movl %\reg, prot_log(%ebx)
	addl $4, prot_nr
	popl %ebx
	.endm
	.macro STUB v, has_error
	.balign 16
	.if !\has_error
	pushl $0
	.endif
	pushl $\v
	jmp prot_trap
	.endm
	.balign 16
	.globl prot_stubs
prot_stubs:
	.irp v, 0, 1, 2, 3, 4, 5, 6, 7
	STUB \v, 0
	.endr
	.irp v, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
	STUB \v, 1
	.endr
	.irp v, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
	STUB \v, 0
	.endr
prot_trap: /* notes the vector and the error code in one word */
	popl %eax
	popl %ecx
	movl $0x10, %edx
	movl %edx, %ds
	movl %edx, %es
	shll $16, %ecx
	orl %ecx, %eax
	movl prot_esp, %esp
	movl prot_nr, %ecx
	movl %eax, prot_log(%ecx)
	jmp *prot_resume

	.globl prot_segments
prot_segments:
	movl $0xff000000, %edi
	movl $0x11223344, 8(%edi)
	pushl 8(%edi)
	popl %eax
	NOTE eax
	incb 9(%edi)
	movl $0x30, %eax
	movl %eax, %fs
	movl %fs:8, %eax
	NOTE eax
	TRAP32 movl %fs:0xffd, %eax
	TRAP32 movl %fs:0xffc, %eax
	movl $0x38, %eax
	movl %eax, %gs
	TRAP32 movl %eax, %gs:8
	movl %gs:8, %eax
	NOTE eax
	xorl %eax, %eax
	movl %eax, %gs
	TRAP32 movl %gs:8, %eax
	TRAP32 movl %eax, %cs:0xff000008
	movl %cs:0xff000008, %eax
	NOTE eax
	movl $0x40, %eax /* only above 4 KiB */
	movl %eax, %gs
	TRAP32 movl %gs:0xffc, %eax
	TRAP32 movl %gs:0xff000008, %eax
	NOTE eax
	addr16 movl %fs:(8), %eax
	NOTE eax
	movl $0x10000000, %ecx /* only CX counts: 0 */
	movl $0x50, %esi
	addr16 rep movsb
	NOTE ecx
	xorl %eax, %eax
	cpuid
	movl %ebx, %eax
	NOTE eax
	TRAP32 int3
	ret

	/* Paging on with the tables at EBX; then what is at PAGED_VA, and faults there. */
paged:
	movl %ebx, %cr3
	movl %cr0, %eax
	orl $0x80010000, %eax
	movl %eax, %cr0
	jmp 1f
1:	movl $0x40000000, %edi
	movl $0x1000beef, 0x20(%edi) /* the device */
	addl $1, 0x20(%edi)
	movl 0x20(%edi), %eax
	NOTE eax
	movl 0x1020(%edi), %eax /* RAM */
	NOTE eax
	TRAP32 movl %eax, 0x2020(%edi)
	movl %cr2, %eax
	NOTE eax
	TRAP32 movl %eax, 0x3020(%edi) /* the device, read-only */
	movl 0x3020(%edi), %eax
	NOTE eax
	ret
	.globl prot_two_level, prot_pae
prot_two_level:
	movl %cr4, %eax
	andl $~0x20, %eax
	orl $0x10, %eax
	movl %eax, %cr4
	movl $table_two_level, %ebx
	call paged
	movl $0x3000007, table_leaf /* the device's page becomes RAM */
	invlpg 0x40000000
	movl 0x40000020, %eax
	NOTE eax
	jmp paged_off
prot_pae:
	movl %cr4, %eax
	orl $0x20, %eax
	movl %eax, %cr4
	movl $table_pae, %ebx
	call paged
	movl $table_pae_dir + 1, table_pae + 8 /* all there is at 1 GiB becomes that at 0 */
	movl %ebx, %cr3
	movl 0x43000020, %eax
	NOTE eax
	movl $0, table_pae + 16 /* 2 GiB to 3 GiB: not there */
	movl %ebx, %cr3
	TRAP32 movl 0x80000000, %eax
paged_off:
	movl %cr0, %eax
	andl $0x7fffffff, %eax
	movl %eax, %cr0
	ret

	.globl prot_v86
prot_v86:
	movw $0x48, %ax
	ltr %ax
	movl $1f, prot_resume
	movl %esp, prot_esp
	movl $0x1000, %eax
	.rept 4
	pushl %eax
	.endr
	pushl $0x1000
	pushl $0xff00
	pushl $0x20002
	pushl $0x1000
	pushl $o_v86_code
	iretl
1:	ret
	.code64
)");

extern u8 blob[], blob_end[], prot_stubs[];
/* Offsets in the blob: the addresses of these symbols. */
#define OFFSET(name) ((u16)(u64)o_##name)
extern const u8 o_log[], o_nr[], o_int60[], o_irq50[], o_nmi[], o_trap0[], o_trap1[], o_trap3[],
	o_trap4[], o_trap5[], o_trap6[], o_trap12[], o_trap13[], o_real_int[], o_real_strings[],
	o_real_ports[], o_real_system[], o_real_traps[], o_real_memory[], o_real_big[],
	o_real_irq[], o_text[];
void mode_real(u64 offset);
void mode_prot(void (*fn)(void));
void prot_segments(void), prot_two_level(void), prot_pae(void), prot_v86(void);
extern volatile u32 prot_log[128], prot_nr;
extern u64 prot_idt[32], modes_gdt_tss;

/* The page tables of the 32-bit modes. */
volatile u32 table_two_level[1024] __attribute__((aligned(4096)));
volatile u32 table_leaf[1024] __attribute__((aligned(4096)));
volatile u64 table_pae[4] __attribute__((aligned(32)));
volatile u64 table_pae_dir[2048] __attribute__((aligned(4096)));
static volatile u64 table_pae_leaf[512] __attribute__((aligned(4096)));
static u8 tss[0x2068 + 8] __attribute__((aligned(4096)));

static volatile u8 *const log8 = (volatile u8 *)BLOB;

/* QEMU's own CPU knows no limits of segments; Lamina's emulator does. */
static bool checks_segments = true;

static u16 log16(u32 at)
{
	return *(volatile u16 *)(log8 + OFFSET(log) + at);
}

static u32 log32(u32 at)
{
	return *(volatile u32 *)(log8 + OFFSET(log) + at);
}

static void vector_set(u32 vector, u16 offset)
{
	volatile u32 *table;

	__asm__("" : "=r"(table) : "0"(0ull)); /* the compiler takes NULL for an error */
	table[vector] = 0x10000000 | offset;
}

static void real_run(u16 offset)
{
	for (u64 i = 0; i < (u64)(blob_end - blob); i++)
		log8[i] = blob[i];
	mode_real(offset);
}

static void interrupts(void)
{
	vector_set(0x60, OFFSET(int60));
	real_run(OFFSET(real_int));
	check(log16(0) == 0x1000, "real mode: CS");
	check((log16(2) & 0x201) == 0x201, "IRET gives the flags back: %x", log16(2));
	check((log16(4) & 0x301) == 0x001, "INT clears IF: %x", log16(4));
	check(log16(6) == 0 && log16(8) == 0x1000, "INT pushes CS and IP");
}

static void strings_and_ports(void)
{
	const volatile u8 *to = (const volatile u8 *)0x20000;
	bool good = true;

	real_run(OFFSET(real_strings));
	for (u32 i = 0; i < 256; i++)
		good = good && to[i] == blob[i] && to[0x200 + i] == blob[i];
	check(good, "REP MOVS, both ways");
	check(*(const volatile u32 *)(to + 0x41c) == 0x5a5a1234, "REP STOS of 32 bits");
	real_run(OFFSET(real_ports));
	check(log32(0) == 0x12345656, "IN of 8 bits: %x", log32(0));
	check(log32(4) == 0x12341234, "IN of 16 bits: %x", log32(4));
	check(log16(8) == OFFSET(text) + 5 && log16(10) == 0, "REP OUTSB");
	check(log32(12) == 0x12345665, "its last byte: %x", log32(12));
	check(log32(16) == log32(12) && log32(24) == log32(12), "REP INSL");
	check(log16(28) == OFFSET(log) + 28, "where it ends");
	check((log16(30) & 0xff) == 0xff, "a port that nobody has");
}

static void system(void)
{
	real_run(OFFSET(real_system));
	check(log32(0) == cpuid(0, 0).b, "CPUID in real mode");
	check((log32(4) & 0xd00) == 0x800, "EFER without LME and LMA: %x", log32(4));
	check(log32(8) == 0x1234567, "WRMSR and RDMSR");
	check((log16(12) & 1) == 0 && (log32(16) & BIT(31)) == 0 && !(log32(16) & 1),
	      "CR0: %x %x", log16(12), log32(16));
	check(log16(20) == 0x3ff, "SIDT: %x", log16(20));
	check(log32(28) == 0x55aa0000, "CR2");
}

static void traps(void)
{
	/* Vector, and IP behind the start of the instruction. */
	static const u16 expected[][2] = { { 0, 0 },  { 3, 1 },	 { 4, 1 },  { 5, 0 },  { 6, 0 },
					   { 13, 0 }, { 12, 0 }, { 13, 0 }, { 6, 0 },  { 6, 0 },
					   { 13, 0 }, { 13, 0 }, { 13, 0 } };
	static const char *const names[] = { "DIV", "INT3", "INTO", "BOUND", "UD2",
					     "beyond 64 KiB", "beyond the stack",
					     "beyond by 32 bits", "LLDT", "LTR", "RDMSR",
					     "beyond, where nothing is", "STOS beyond" };

	vector_set(0, OFFSET(trap0)), vector_set(1, OFFSET(trap1)), vector_set(3, OFFSET(trap3));
	vector_set(4, OFFSET(trap4)), vector_set(5, OFFSET(trap5)), vector_set(6, OFFSET(trap6));
	vector_set(12, OFFSET(trap12)), vector_set(13, OFFSET(trap13));
	real_run(OFFSET(real_traps));
	checks_segments = log16(20) == 13;
	for (u32 i = 0; i < ARRAY_SIZE(expected); i++) {
		if (!checks_segments && i >= 5 && i <= 7)
			continue;
		check(log16(4 * i) == expected[i][0] && log16(4 * i + 2) == expected[i][1],
		      "real-mode trap: %s: %u, IP + %u", names[i], log16(4 * i), log16(4 * i + 2));
	}
	check(checks_segments || !is_intel(), "the CPU knows limits of segments");
	check(*(volatile u16 *)(log8 + OFFSET(nr)) == 4 * ARRAY_SIZE(expected), "no more of them");
}

static void memory(void)
{
	volatile u32 *above = (volatile u32 *)0x100000;
	u32 old = *above;

	*above = 0x13572468;
	real_run(OFFSET(real_memory));
	*above = old;
	check(log32(0) == 0xffffffff, "the hole below 1 MiB reads as ones: %x", log32(0));
	check((log32(4) & 0xff) == 0xff, "and ignores writes");
	check(log32(8) == 0x13572468, "FFFF:0010 is at 1 MiB");
	check(log16(12) == 0x0fff, "a far call");
	check(log32(16) == 0x12345678, "pushes of 16 and 32 bits: %x", log32(16));
	real_run(OFFSET(real_big));
	check(log32(0) == 0xdc0f1234, "the device from real mode: %x", log32(0));
	check((log32(4) >> 16 & 0xff) == 23, "the I/O APIC from real mode: %x", log32(4));
	check(log32(8) == 0x600dbeef, "RAM above 1 MiB");
}

static void real_interrupts(void)
{
	out8(0x20, 0x11), out8(0x21, 0x50), out8(0x21, 4), out8(0x21, 1);
	vector_set(0x50, OFFSET(irq50));
	vector_set(2, OFFSET(nmi));
	out8(0x43, 0x34), out8(0x40, 0), out8(0x40, 0x10);
	out8(0x21, 0xfe);
	apic_write(0x350, 0x700);
	real_run(OFFSET(real_irq));
	pic_mask_all();
	check(log16(0) >= 3, "PIT in real mode: %u", log16(0));
	check(log16(2) == 1, "an NMI in real mode: %u", log16(2));
}

static void prot_run(void (*fn)(void))
{
	for (u32 i = 0; i < 32; i++) {
		u64 a = (u64)prot_stubs + 16 * i;

		prot_idt[i] = (a & 0xffff) | 0x18 << 16 | 0x8e0000000000 | (a >> 16) << 48;
	}
	prot_nr = 0;
	for (u32 i = 0; i < ARRAY_SIZE(prot_log); i++)
		prot_log[i] = 0;
	mode_prot(fn);
}

static void logs(const char *what, const u32 *expected, u32 n)
{
	for (u32 i = 0; i < n; i++)
		check(prot_log[i] == expected[i], "%s, step %u: %x", what, i, prot_log[i]);
	check(prot_nr == 4 * n, "%s: %u steps", what, prot_nr / 4);
}

static void protected_mode(void)
{
	u32 null = checks_segments ? 13 : 0, low = null;
	const u32 segments[] = { 0x11223344, 0x11223444, 13, 0, 13, 0x11223444, null, 13,
				 0x11223444, low, 0, 0x11223444, 0x11223444, 0x10000000,
				 cpuid(0, 0).b, 3 };
	const u32 two_level[] = { 0x1000bef0, 0x0dd5eed5, 0x2000e, 0x40002020, 0x3000e, 0x1000bef0,
				  0x0dd5eed5 };
	const u32 pae[] = { 0x1000bef0, 0x0dd5eed5, 0x2000e, 0x40002020, 0x3000e, 0x1000bef0,
			    0x0dd5eed5, 0x0000e };
	static const u32 leaves[4] = { (u32)DEV | 7, RAM_PAGE | 7, 0, (u32)DEV | 5 };

	prot_run(prot_segments);
	logs("32 bits", segments, ARRAY_SIZE(segments));
	for (u32 i = 0; i < 1024; i++)
		table_two_level[i] = i << 22 | 0x87;
	for (u32 i = 0; i < 2048; i++)
		table_pae_dir[i] = (u64)i << 21 | 0x87;
	for (u32 i = 0; i < 4; i++) {
		table_leaf[i] = leaves[i];
		table_pae_leaf[i] = leaves[i];
		table_pae[i] = (u64)&table_pae_dir[512 * i] | 1;
	}
	table_two_level[PAGED_VA >> 22] = (u32)(u64)table_leaf | 7;
	table_pae_dir[PAGED_VA >> 21] = (u64)table_pae_leaf | 7;
	*(volatile u32 *)(RAM_PAGE + 0x20ull) = 0x0dd5eed5;
	prot_run(prot_two_level);
	logs("two-level paging", two_level, ARRAY_SIZE(two_level));
	check((table_leaf[3] & 0x60) == 0x20, "A is set, D is not: %x", table_leaf[3]);
	prot_run(prot_pae);
	logs("PAE paging", pae, ARRAY_SIZE(pae));
	check((table_pae_leaf[0] & 0x60) == 0x60 && (table_pae_leaf[3] & 0x60) == 0x20,
	      "A and D: %llx %llx", table_pae_leaf[0], table_pae_leaf[3]);
}

/* The TSS has the stack for ring 0, and an I/O bitmap that allows every port. */
static void virtual_8086(void)
{
	u64 base = (u64)tss;

	*(u32 *)(tss + 4) = (u32)(u64)tss + 0x1000; /* between the fields and the bitmap's end */
	*(u16 *)(tss + 8) = 0x10;
	*(u16 *)(tss + 102) = 104;
	tss[0x2068] = 0xff;
	for (u32 i = 0; i < 0x400; i++)
		tss[104 + i] = 0;
	modes_gdt_tss = 0x2067 | (base & 0xffffff) << 16 | 0x8900ull << 32 | (base >> 24) << 56;
	for (u64 i = 0; i < (u64)(blob_end - blob); i++)
		log8[i] = blob[i];
	prot_run(prot_v86);
	check(log32(0) == 0x77, "virtual 8086: ports by the bitmap: %x", log32(0));
	check(log32(4) == 0xffffffff, "virtual 8086: where nothing is: %x", log32(4));
	check(log32(8) == cpuid(0, 0).b && log16(12) == 0x1000, "virtual 8086: CPUID");
	check((prot_log[0] & 0xffff) == 13, "virtual 8086: INT is refused: %x", prot_log[0]);
}

void guest_main(void)
{
	pic_mask_all();
	x2apic_enable();
	interrupts();
	strings_and_ports();
	system();
	traps();
	memory();
	real_interrupts();
	protected_mode();
	virtual_8086();
	check(rdmsr(0xc0000080) & BIT(10), "long mode in the end");
}
