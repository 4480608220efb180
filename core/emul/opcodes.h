/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every opcode that the decoder knows; SDM "Opcode Map". For decode.c alone.
 *
 * OP1(first, last, name, flags, form, ...)  one-byte opcodes first to last
 * OP2(first, last, name, form, ...)         two-byte opcodes, after 0f
 * GRP(group, name, name, ...)  ModRM.reg chooses, for a row with the name GRP_<group>
 * MEMBER(group, reg, name, form, ...)  one of a group whose members have operands of their own;
 *                   forms that are __ or left out come from the group's row
 * ALT(map, opcode, prefix, name, form, ...)  replaces the row if `prefix` is the
 *                   mandatory one (0: none is there; IN64: in 64-bit mode, whatever the prefixes)
 * SYS(modrm, name)  0f 01 with a register form: the whole ModRM byte chooses; OTHER if no line does
 *
 * Forms are the manual's: a letter for the place, a letter for the size.
 *   E register or memory by ModRM, M memory only, R register only, whatever mod says, G register
 *   by ModRM.reg, Z register by the opcode's low bits, A accumulator, I immediate, also the
 *   manual's J and P, O memory offset, X and Y string source and destination, Sw segment register,
 *   Cy and Dy control and debug register, CL, DX, K1 the constant 1
 *   b 1, w 2 bytes, v operand size, z the same but at most 4, y at least 4, l 8 in 64-bit mode else
 *   4, x twice y, s 2 in memory and v in a register, n none; by the opcode's low bit: o 1 or v, i 1
 *   or z
 */
#ifndef CORE_EMUL_OPCODES_H
#define CORE_EMUL_OPCODES_H

#include "core/emul/emul.h"

/* Where an operand is. The ones up to K_LAST_MODRM need a ModRM byte. */
enum kind {
	K_NONE, K_E, K_M, K_R, K_G, K_SREG, K_CR, K_DR,
	K_LAST_MODRM = K_DR,
	K_Z, K_A, K_C, K_DX, K_ONE, K_I, K_O, K_X, K_Y,
};

enum size { S_n, S_b, S_w, S_v, S_z, S_y, S_l, S_x, S_s, S_o, S_i };

#define FORM(kind, size) ((kind) << 4 | (size))
#define FORM_KIND(form) ((enum kind)((form) >> 4))
#define FORM_SIZE(form) ((enum size)((form) & 0xf))

/* The manual's names of operand forms, as the tables write them. */
enum form {
	__ = 0,
	Eb = FORM(K_E, S_b), Ew = FORM(K_E, S_w), Ev = FORM(K_E, S_v), Ez = FORM(K_E, S_z),
	El = FORM(K_E, S_l), Es = FORM(K_E, S_s), Eo = FORM(K_E, S_o), En = FORM(K_E, S_n),
	Mb = FORM(K_M, S_b), Mv = FORM(K_M, S_v), My = FORM(K_M, S_y), Mx = FORM(K_M, S_x),
	Mn = FORM(K_M, S_n), Rl = FORM(K_R, S_l),
	Gw = FORM(K_G, S_w), Gv = FORM(K_G, S_v), Gy = FORM(K_G, S_y), Gl = FORM(K_G, S_l),
	Go = FORM(K_G, S_o), Sw = FORM(K_SREG, S_w), Cl = FORM(K_CR, S_l), Dl = FORM(K_DR, S_l),
	Zb = FORM(K_Z, S_b), Zv = FORM(K_Z, S_v),
	Av = FORM(K_A, S_v), Ao = FORM(K_A, S_o), Ai = FORM(K_A, S_i),
	CL = FORM(K_C, S_b), DX = FORM(K_DX, S_w), K1 = FORM(K_ONE, S_b),
	Ib = FORM(K_I, S_b), Iw = FORM(K_I, S_w), Iz = FORM(K_I, S_z), Iv = FORM(K_I, S_v),
	Ii = FORM(K_I, S_i), Oo = FORM(K_O, S_o), Xo = FORM(K_X, S_o), Xi = FORM(K_X, S_i),
	Yo = FORM(K_Y, S_o), Yi = FORM(K_Y, S_i),
};

enum row_flags { N64 = 1, D64 = 2, F64 = 4, LCK = 8, PM = 16 };

struct row {
	u8 op; /* enum emul_op or a group */
	u8 flags; /* enum row_flags */
	u16 form[EMUL_NR_OPNDS]; /* enum form */
};

#define ROW(name, flags, ...) { EMUL_OP_##name, flags, { __VA_ARGS__ } }

/* Groups stand behind the mnemonics in struct row.op. */
enum group {
	EMUL_OP_GRP_ALU = EMUL_NR_OPS,
	EMUL_OP_GRP_POP, EMUL_OP_GRP_SHIFT, EMUL_OP_GRP_MOV, EMUL_OP_GRP_UNARY,
	EMUL_OP_GRP_INC, EMUL_OP_GRP_CALL, EMUL_OP_GRP_LDT, EMUL_OP_GRP_GDT, EMUL_OP_GRP_BIT,
	EMUL_OP_GRP_CMPXCHG8B,
	END_OF_GROUPS
};
_Static_assert(END_OF_GROUPS <= 256, "struct row.op is one byte");

#define OP1(first, last, ...) [0][(first) ... (last)] = ROW(__VA_ARGS__),
#define OP2(first, last, name, ...) [1][(first) ... (last)] = ROW(name, 0, __VA_ARGS__),
/* What has no operands, or is known by no more than its name and length. */
#define BARE1(opcode, name, flags) OP1(opcode, opcode, name, flags, __)
#define BARE2(opcode, name) OP2(opcode, opcode, name, __)

/* By struct emul_insn.map and the opcode. */
static const struct row rows[4][256] = {
/* One-byte opcodes. */
#define ALU_ROWS(base, name)                                                                       \
	OP1(base + 0, base + 1, name, 0, Eo, Go)                                               \
	OP1(base + 2, base + 3, name, 0, Go, Eo)                                               \
	OP1(base + 4, base + 5, name, 0, Ao, Ii)
ALU_ROWS(0x00, ADD) ALU_ROWS(0x08, OR) ALU_ROWS(0x10, ADC) ALU_ROWS(0x18, SBB)
ALU_ROWS(0x20, AND) ALU_ROWS(0x28, SUB) ALU_ROWS(0x30, XOR) ALU_ROWS(0x38, CMP)
BARE1(0x06, PUSH_SREG, N64) BARE1(0x07, POP_SREG, N64) BARE1(0x0e, PUSH_SREG, N64)
BARE1(0x16, PUSH_SREG, N64) BARE1(0x17, POP_SREG, N64) BARE1(0x1e, PUSH_SREG, N64)
BARE1(0x1f, POP_SREG, N64) BARE1(0x27, OTHER, N64) BARE1(0x2f, OTHER, N64) BARE1(0x37, OTHER, N64)
BARE1(0x3f, OTHER, N64) BARE1(0x9b, OTHER, 0) BARE1(0x9c, PUSHF, 0) BARE1(0x9d, POPF, 0)
BARE1(0xc3, RET, 0) BARE1(0xc9, OTHER, D64) BARE1(0xcb, RET_FAR, 0) BARE1(0xcc, INT3, 0)
BARE1(0xce, INTO, N64) BARE1(0xcf, IRET, 0) BARE1(0xd6, OTHER, N64) BARE1(0xd7, OTHER, 0)
BARE1(0xf1, INT1, 0) BARE1(0xf4, HLT, 0) BARE1(0xf5, OTHER, 0) BARE1(0xfa, CLI, 0)
BARE1(0xfb, STI, 0)
OP1(0x40, 0x47, INC, N64, Zv) OP1(0x48, 0x4f, DEC, N64, Zv) OP1(0x50, 0x57, PUSH, 0, Zv)
OP1(0x58, 0x5f, POP, 0, Zv) OP1(0x60, 0x61, OTHER, N64, __)
OP1(0x62, 0x62, OTHER, N64, Gv, Mn) OP1(0x63, 0x63, ARPL, 0, Ew, Gw)
OP1(0x68, 0x68, PUSH, 0, Iz) OP1(0x69, 0x69, IMUL, 0, Gv, Ev, Iz)
OP1(0x6a, 0x6a, PUSH, 0, Ib) OP1(0x6b, 0x6b, IMUL, 0, Gv, Ev, Ib)
OP1(0x6c, 0x6d, INS, 0, Yi, DX) OP1(0x6e, 0x6f, OUTS, 0, DX, Xi) OP1(0x70, 0x7f, JCC, 0, Ib)
OP1(0x80, 0x81, GRP_ALU, 0, Eo, Ii) OP1(0x82, 0x82, GRP_ALU, N64, Eb, Ib)
OP1(0x83, 0x83, GRP_ALU, 0, Ev, Ib) OP1(0x84, 0x85, TEST, 0, Eo, Go)
OP1(0x86, 0x87, XCHG, 0, Eo, Go) OP1(0x88, 0x89, MOV, 0, Eo, Go)
OP1(0x8a, 0x8b, MOV, 0, Go, Eo) OP1(0x8c, 0x8c, MOV_FROM_SREG, 0, Es, Sw)
OP1(0x8d, 0x8d, LEA, 0, Gv, Mn) OP1(0x8e, 0x8e, MOV_TO_SREG, 0, Sw, Es)
OP1(0x8f, 0x8f, GRP_POP, 0, Ev) OP1(0x90, 0x97, XCHG, 0, Zv, Av)
OP1(0x98, 0x99, OTHER, 0, __) OP1(0x9a, 0x9a, CALL_FAR, N64, Iz, Iw)
OP1(0x9e, 0x9f, OTHER, 0, __) OP1(0xa0, 0xa1, MOV, 0, Ao, Oo)
OP1(0xa2, 0xa3, MOV, 0, Oo, Ao) OP1(0xa4, 0xa5, MOVS, 0, Yo, Xo)
OP1(0xa6, 0xa7, CMPS, 0, Xo, Yo) OP1(0xa8, 0xa9, TEST, 0, Ao, Ii)
OP1(0xaa, 0xab, STOS, 0, Yo, Ao) OP1(0xac, 0xad, LODS, 0, Ao, Xo)
OP1(0xae, 0xaf, SCAS, 0, Ao, Yo) OP1(0xb0, 0xb7, MOV, 0, Zb, Ib)
OP1(0xb8, 0xbf, MOV, 0, Zv, Iv) OP1(0xc0, 0xc1, GRP_SHIFT, 0, Eo, Ib)
OP1(0xc2, 0xc2, RET, 0, Iw) OP1(0xc4, 0xc5, LOAD_FAR, N64, Gv, Mn)
OP1(0xc6, 0xc7, GRP_MOV, 0, Eo, Ii) OP1(0xc8, 0xc8, OTHER, D64, Iw, Ib)
OP1(0xca, 0xca, RET_FAR, 0, Iw) OP1(0xcd, 0xcd, INT, 0, Ib)
OP1(0xd0, 0xd1, GRP_SHIFT, 0, Eo, K1) OP1(0xd2, 0xd3, GRP_SHIFT, 0, Eo, CL)
OP1(0xd4, 0xd5, OTHER, N64, Ib) OP1(0xd8, 0xdf, OTHER, 0, En) OP1(0xe0, 0xe3, LOOP, 0, Ib)
OP1(0xe4, 0xe5, IN, 0, Ai, Ib) OP1(0xe6, 0xe7, OUT, 0, Ib, Ai) OP1(0xe8, 0xe8, CALL, 0, Iz)
OP1(0xe9, 0xe9, JMP, 0, Iz) OP1(0xea, 0xea, JMP_FAR, N64, Iz, Iw) OP1(0xeb, 0xeb, JMP, 0, Ib)
OP1(0xec, 0xed, IN, 0, Ai, DX) OP1(0xee, 0xef, OUT, 0, DX, Ai)
OP1(0xf6, 0xf7, GRP_UNARY, 0, Eo) OP1(0xf8, 0xf9, OTHER, 0, __)
OP1(0xfc, 0xfd, OTHER, 0, __) OP1(0xfe, 0xfe, GRP_INC, 0, Eb)
OP1(0xff, 0xff, GRP_CALL, 0, Ev)

/* Two-byte opcodes: 0f and this. */
BARE2(0x05, SYSCALL) BARE2(0x06, CLTS) BARE2(0x07, SYSRET) BARE2(0x08, INVD) BARE2(0x09, WBINVD)
BARE2(0x0b, UD) BARE2(0x0e, OTHER) BARE2(0x30, WRMSR) BARE2(0x31, RDTSC) BARE2(0x32, RDMSR)
BARE2(0x33, RDPMC) BARE2(0x34, SYSENTER) BARE2(0x35, SYSEXIT) BARE2(0x37, GETSEC) BARE2(0x77, OTHER)
BARE2(0xa0, PUSH_SREG) BARE2(0xa1, POP_SREG) BARE2(0xa2, CPUID) BARE2(0xa8, PUSH_SREG)
BARE2(0xa9, POP_SREG) BARE2(0xaa, RSM)
OP2(0x00, 0x00, GRP_LDT, Es) OP2(0x01, 0x01, GRP_GDT, En) OP2(0x02, 0x02, LAR, Gv, Es)
OP2(0x03, 0x03, LSL, Gv, Es) OP2(0x0d, 0x0d, OTHER, En) OP2(0x0f, 0x0f, OTHER, En, Ib)
OP2(0x10, 0x18, OTHER, En) OP2(0x19, 0x19, NOP, Ev) OP2(0x1a, 0x1e, OTHER, En)
OP2(0x1f, 0x1f, NOP, Ev) OP2(0x20, 0x20, MOV_FROM_CR, Rl, Cl)
OP2(0x21, 0x21, MOV_FROM_DR, Rl, Dl) OP2(0x22, 0x22, MOV_TO_CR, Cl, Rl)
OP2(0x23, 0x23, MOV_TO_DR, Dl, Rl) OP2(0x28, 0x2f, OTHER, En)
OP2(0x40, 0x4f, CMOVCC, Gv, Ev) OP2(0x50, 0x6f, OTHER, En) OP2(0x70, 0x73, OTHER, En, Ib)
OP2(0x74, 0x76, OTHER, En) OP2(0x78, 0x78, VMREAD, El, Gl) OP2(0x79, 0x79, VMWRITE, Gl, El)
OP2(0x7c, 0x7f, OTHER, En) OP2(0x80, 0x8f, JCC, Iz) OP2(0x90, 0x9f, SETCC, Eb)
OP2(0xa3, 0xa3, BT, Ev, Gv) OP2(0xa4, 0xa4, SHLD, Ev, Gv, Ib)
OP2(0xa5, 0xa5, SHLD, Ev, Gv, CL) OP2(0xa6, 0xa7, OTHER, En) OP2(0xab, 0xab, BTS, Ev, Gv)
OP2(0xac, 0xac, SHRD, Ev, Gv, Ib) OP2(0xad, 0xad, SHRD, Ev, Gv, CL)
OP2(0xae, 0xae, XSAVE_GROUP, En) OP2(0xaf, 0xaf, IMUL, Gv, Ev)
OP2(0xb0, 0xb1, CMPXCHG, Eo, Go) OP2(0xb2, 0xb2, LOAD_FAR, Gv, Mn)
OP2(0xb3, 0xb3, BTR, Ev, Gv) OP2(0xb4, 0xb5, LOAD_FAR, Gv, Mn)
OP2(0xb6, 0xb6, MOVZX, Gv, Eb) OP2(0xb7, 0xb7, MOVZX, Gv, Ew) OP2(0xb9, 0xb9, UD, Gv, Ev)
OP2(0xba, 0xba, GRP_BIT, Ev, Ib) OP2(0xbb, 0xbb, BTC, Ev, Gv) OP2(0xbc, 0xbc, BSF, Gv, Ev)
OP2(0xbd, 0xbd, BSR, Gv, Ev) OP2(0xbe, 0xbe, MOVSX, Gv, Eb) OP2(0xbf, 0xbf, MOVSX, Gv, Ew)
OP2(0xc0, 0xc1, XADD, Eo, Go) OP2(0xc2, 0xc2, OTHER, En, Ib) OP2(0xc4, 0xc6, OTHER, En, Ib)
OP2(0xc7, 0xc7, GRP_CMPXCHG8B, En) OP2(0xc8, 0xcf, BSWAP, Zv) OP2(0xd0, 0xfe, OTHER, En)
OP2(0xff, 0xff, UD, Gv, Ev)

	[2][0 ... 255] = ROW(OTHER, 0, En),
	[3][0 ... 255] = ROW(OTHER, 0, En, Ib),
};

#define MEMBER(group, reg, name, ...)                                                              \
	[EMUL_OP_GRP_##group - EMUL_NR_OPS][reg] = ROW(name, 0, __VA_ARGS__),
#define PLAIN(name) ROW(name, 0, __)
#define GRP(group, r0, r1, r2, r3, r4, r5, r6, r7)                                                 \
	[EMUL_OP_GRP_##group - EMUL_NR_OPS] = { PLAIN(r0), PLAIN(r1), PLAIN(r2), PLAIN(r3),        \
						PLAIN(r4), PLAIN(r5), PLAIN(r6), PLAIN(r7) },

static const struct row groups[END_OF_GROUPS - EMUL_NR_OPS][8] = {
GRP(ALU, ADD, OR, ADC, SBB, AND, SUB, XOR, CMP)
GRP(POP, POP, NONE, NONE, NONE, NONE, NONE, NONE, NONE)
GRP(SHIFT, ROL, ROR, RCL, RCR, SHL, SHR, SHL, SAR)
GRP(MOV, MOV, NONE, NONE, NONE, NONE, NONE, NONE, OTHER)
GRP(INC, INC, DEC, NONE, NONE, NONE, NONE, NONE, NONE)
MEMBER(UNARY, 0, TEST, __, Ii) MEMBER(UNARY, 1, TEST, __, Ii) MEMBER(UNARY, 2, NOT, __)
MEMBER(UNARY, 3, NEG, __) MEMBER(UNARY, 4, MUL, __) MEMBER(UNARY, 5, IMUL, __)
MEMBER(UNARY, 6, DIV, __) MEMBER(UNARY, 7, IDIV, __)
MEMBER(CALL, 0, INC, __) MEMBER(CALL, 1, DEC, __) MEMBER(CALL, 2, CALL_NEAR, __)
MEMBER(CALL, 3, CALL_FAR, Mn) MEMBER(CALL, 4, JMP_NEAR, __) MEMBER(CALL, 5, JMP_FAR, Mn)
MEMBER(CALL, 6, PUSH, __)
GRP(BIT, NONE, NONE, NONE, NONE, BT, BTS, BTR, BTC)
MEMBER(LDT, 0, SLDT, __) MEMBER(LDT, 1, STR, __) MEMBER(LDT, 2, LLDT, Ew)
MEMBER(LDT, 3, LTR, Ew) MEMBER(LDT, 4, VERR, Ew) MEMBER(LDT, 5, VERW, Ew)
MEMBER(GDT, 0, SGDT, Mn) MEMBER(GDT, 1, SIDT, Mn) MEMBER(GDT, 2, LGDT, Mn)
MEMBER(GDT, 3, LIDT, Mn) MEMBER(GDT, 4, SMSW, Es) MEMBER(GDT, 5, OTHER, Mn)
MEMBER(GDT, 6, LMSW, Ew) MEMBER(GDT, 7, INVLPG, Mb)
MEMBER(CMPXCHG8B, 1, CMPXCHG8B, Mx) MEMBER(CMPXCHG8B, 3, XSAVE_GROUP, Mn)
MEMBER(CMPXCHG8B, 4, XSAVE_GROUP, Mn) MEMBER(CMPXCHG8B, 5, XSAVE_GROUP, Mn)
MEMBER(CMPXCHG8B, 6, OTHER, __) MEMBER(CMPXCHG8B, 7, OTHER, __)
};

/* What is true of an instruction whatever its row. */
static const u8 op_flags[EMUL_NR_OPS] = {
#define INSN(name, exec, flags) flags,
#include "core/emul/insns.def"
};

#define IN64 1 /* struct alt.prefix: in 64-bit mode */
#define ALT(map, opcode, prefix, name, ...) { map, opcode, prefix, ROW(name, 0, __VA_ARGS__) },

/*
 * Mandatory prefixes, map 1 = 0f, 2 = 0f 38. In map 2 everything else has ModRM and no immediate,
 * in map 3 (0f 3a) ModRM and one byte.
 */
static const struct alt {
	u8 map, opcode, prefix;
	struct row row;
} alts[] = {
ALT(0, 0x63, IN64, MOVSXD, Gv, Ez) ALT(0, 0x90, 0xf3, PAUSE, __)
ALT(1, 0x78, 0x66, OTHER, En, Ib, Ib) ALT(1, 0x78, 0xf2, OTHER, En, Ib, Ib)
ALT(1, 0x79, 0x66, OTHER, En) ALT(1, 0x79, 0xf2, OTHER, En)
ALT(1, 0xb8, 0xf3, POPCNT, Gv, Ev) ALT(1, 0xbc, 0xf3, TZCNT, Gv, Ev)
ALT(1, 0xbd, 0xf3, LZCNT, Gv, Ev) ALT(1, 0xc3, 0, MOVNTI, My, Gy)
ALT(2, 0x80, 0x66, INVEPT, Gl, Mn) ALT(2, 0x81, 0x66, INVVPID, Gl, Mn)
ALT(2, 0x82, 0x66, INVPCID, Gl, Mn) ALT(2, 0xf0, 0, MOVBE, Gv, Mv)
ALT(2, 0xf0, 0x66, MOVBE, Gv, Mv) ALT(2, 0xf0, 0xf2, CRC32, Gy, Eb)
ALT(2, 0xf1, 0, MOVBE, Mv, Gv) ALT(2, 0xf1, 0x66, MOVBE, Mv, Gv)
ALT(2, 0xf1, 0xf2, CRC32, Gy, Ev)
};

#define SYS(modrm, name) [(modrm) - 0xc0] = EMUL_OP_##name,

/* 0f 01 with a register form and no use for a register: the whole byte is the opcode. */
static const u8 systems[64] = {
SYS(0xc1, VMCALL) SYS(0xc2, VMLAUNCH) SYS(0xc3, VMRESUME) SYS(0xc4, VMXOFF) SYS(0xc8, MONITOR)
SYS(0xc9, MWAIT) SYS(0xd0, XGETBV) SYS(0xd1, XSETBV) SYS(0xd4, VMFUNC) SYS(0xd8, VMRUN)
SYS(0xd9, VMMCALL) SYS(0xda, VMLOAD) SYS(0xdb, VMSAVE) SYS(0xdc, STGI) SYS(0xdd, CLGI)
SYS(0xde, SKINIT) SYS(0xdf, INVLPGA) SYS(0xf8, SWAPGS) SYS(0xf9, RDTSCP)
};

#endif
