/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The instruction emulator: decodes one x86 instruction of a guest in any mode and, for the
 * instructions that touch memory-mapped devices and ports, carries it out.
 *
 * Owns nothing: no globals, no allocation, no locks; all state is in the caller's struct emul_ctx,
 * and memory and ports are reached by the caller's callbacks only. So it may run in any context
 * where those callbacks may, any number of times at once, also on a development host.
 *
 * Promises: a result other than EMUL_OK leaves registers, RIP and RFLAGS as they were, except that
 * a repeated string instruction keeps the iterations already done, as hardware does (SDM "String
 * Operations"); an instruction stores to memory at most once, after every check that it can make.
 */
#ifndef CORE_EMUL_EMUL_H
#define CORE_EMUL_EMUL_H

#include "core/types.h"

#define EMUL_INSN_MAX 15 /* bytes: the longest instruction, SDM "Instruction Format" */
#define EMUL_NR_SEGS (SEG_GS + 1)
#define EMUL_REP_MAX 1024 /* iterations of a repeated string instruction in one emul_exec() */

enum emul_result {
	EMUL_OK, /* done: registers, RIP and RFLAGS are updated */
	EMUL_FAULT, /* raise ctx->fault in the guest */
	EMUL_UNSUPPORTED, /* not known or not executed; the bytes are in ctx->bytes for a report */
	EMUL_RETRY, /* nothing is wrong: enter the guest again at the same RIP */
};

struct emul_fault {
	u8 vector;
	u32 err; /* 0 unless it is a page fault */
	u64 cr2; /* page faults only */
};

/* Why memory is read. */
enum emul_access {
	EMUL_READ,
	EMUL_RMW, /* a write of the same bytes follows: check for a write, report faults as one */
	EMUL_FETCH, /* instruction bytes that are not in ctx->bytes yet */
};

struct emul_ctx;

/*
 * What the emulator needs from outside. `linear` is a linear address after segmentation; the
 * callee translates, checks paging at the guest's CPL, and decides between RAM and device. An
 * access may cross a page: both pages are to be checked before a byte is written. Every function
 * returns EMUL_OK, EMUL_FAULT with ctx->fault filled, EMUL_UNSUPPORTED or EMUL_RETRY.
 *
 * read        Read len_bytes (1, 2, 4, 8, 16; of instructions 1 to EMUL_INSN_MAX).
 * write       Write len_bytes; if `buf` is NULL just find out whether that would fault.
 * cmpxchg     Atomically: if memory equals *expect, store *desired there. For locked instructions.
 *             RAM that changed since it was read: EMUL_RETRY. A device may just write.
 * port_check  The guest's CPL is above IOPL, or it is in virtual-8086 mode: may it use the ports?
 *             By the I/O permission bitmap; or "yes" for exactly the ports that hardware has
 *             checked before the exit. Not called otherwise.
 * port_in     Read a port, 1, 2 or 4 bytes.
 * port_out    Write a port.
 */
struct emul_callbacks {
	enum emul_result (*read)(struct emul_ctx *ctx, u64 linear, void *buf, unsigned len_bytes,
				 enum emul_access access);
	enum emul_result (*write)(struct emul_ctx *ctx, u64 linear, const void *buf,
				  unsigned len_bytes);
	enum emul_result (*cmpxchg)(struct emul_ctx *ctx, u64 linear, const void *expect,
				    const void *desired, unsigned len_bytes);
	enum emul_result (*port_check)(struct emul_ctx *ctx, u16 port, unsigned width_bytes);
	enum emul_result (*port_in)(struct emul_ctx *ctx, u16 port, unsigned width_bytes,
				    u32 *value);
	enum emul_result (*port_out)(struct emul_ctx *ctx, u16 port, unsigned width_bytes,
				     u32 value);
};

/* What decides about operand sizes, addresses and checks; real mode may have a 32-bit CS too. */
enum emul_mode {
	EMUL_MODE_REAL,
	EMUL_MODE_VM86,
	EMUL_MODE_PROT, /* protected and compatibility mode, 16 or 32 bits by CS.D */
	EMUL_MODE_LONG, /* 64-bit mode */
};

/* Every mnemonic that the decoder names. */
enum emul_op {
#define INSN(name, exec, flags) EMUL_OP_##name,
#include "core/emul/insns.def"
	EMUL_NR_OPS
};

enum emul_opnd_kind {
	EMUL_OPND_NONE,
	EMUL_OPND_REG, /* reg: general register */
	EMUL_OPND_HIGH, /* reg 0 to 3: AH, CH, DH, BH */
	EMUL_OPND_MEM, /* insn.mem */
	EMUL_OPND_SRC, /* string source, (E/R)SI in insn.mem.seg */
	EMUL_OPND_DST, /* string destination, ES:(E/R)DI */
	EMUL_OPND_IMM, /* imm, sign-extended to 64 bits; also where branches go */
	EMUL_OPND_SREG, /* reg: segment register */
	EMUL_OPND_CR, /* reg: control register */
	EMUL_OPND_DR, /* reg: debug register */
};

struct emul_operand {
	u8 kind; /* enum emul_opnd_kind */
	u8 size; /* bytes; 0 where it does not matter */
	u8 reg;
	u64 imm; /* of EMUL_OPND_MEM: added to the address; the decoder leaves 0 */
};

#define EMUL_NO_REG 0xff
#define EMUL_RIP_REG 0x10 /* mem.base: RIP of the next instruction */

/* The address of the memory operand: seg:[base + index * scale + disp]. */
struct emul_mem {
	u8 seg; /* enum seg */
	u8 base; /* general register, EMUL_RIP_REG or EMUL_NO_REG */
	u8 index; /* general register or EMUL_NO_REG */
	u8 scale; /* 1, 2, 4, 8 */
	u64 disp; /* sign-extended */
};

#define EMUL_NR_OPNDS 3

/* A decoded instruction. */
struct emul_insn {
	u8 op; /* enum emul_op */
	u8 len; /* bytes */
	u8 opsize; /* bytes: 2, 4, 8 */
	u8 addrsize; /* bytes: 2, 4, 8 */
	u8 map; /* 0: one-byte opcodes, 1: 0f, 2: 0f 38, 3: 0f 3a */
	u8 opcode; /* last opcode byte; its low four bits are the condition of SETcc, CMOVcc, Jcc */
	u8 modrm;
	u8 rex; /* 0 or 0x40 to 0x4f */
	u8 rep; /* 0, 0xf2 or 0xf3 */
	u8 seg; /* segment override that counts in this mode, or EMUL_NO_REG */
	bool has_66;
	bool has_67;
	bool has_lock;
	struct emul_mem mem;
	struct emul_operand opnd[EMUL_NR_OPNDS];
};

struct emul_ctx {
	/* Set by the caller. */
	const struct emul_callbacks *cb;
	void *env; /* for the callbacks */
	u64 *regs; /* 16 general registers in encoding order, RSP at 4 */
	u64 rip; /* the offset in CS */
	u64 rflags;
	u64 cr0; /* as the guest sees it */
	u64 cr4;
	u64 efer;
	struct segment seg[EMUL_NR_SEGS];
	u8 cpl;
	bool is_amd; /* near branches honour prefix 66 in 64-bit mode, LOCK MOV CR0 means CR8 */
	u8 nr_bytes; /* instruction bytes already known, 0 to EMUL_INSN_MAX */
	u8 bytes[EMUL_INSN_MAX];

	/* Set by the emulator. */
	enum emul_mode mode;
	struct emul_insn insn; /* valid after emul_decode() returned EMUL_OK */
	struct emul_fault fault; /* valid with EMUL_FAULT */
};

/*
 * Decode the instruction at RIP into ctx->insn; changes no guest state. insn.len is right for
 * every instruction that is not EMUL_UNSUPPORTED (VEX, EVEX, XOP and unassigned opcodes are).
 * EMUL_FAULT: #UD as SDM "Instruction Set Reference" says, #GP for more than 15 bytes or code
 * outside the segment, or what `fetch` reported.
 */
enum emul_result emul_decode(struct emul_ctx *ctx) __must_check;

/* Carry out ctx->insn as left by emul_decode() with the same guest state. All results possible. */
enum emul_result emul_exec(struct emul_ctx *ctx) __must_check;

/* emul_decode(), then emul_exec(). */
enum emul_result emul_step(struct emul_ctx *ctx) __must_check;

/* The mnemonic of an operation, for reports; never NULL. */
const char *emul_op_name(enum emul_op op);

#endif
