/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/emulate.h"

#include <string.h>

#include "arch/x86/atomic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/regs.h"
#include "core/gmem.h"
#include "core/hv.h"
#include "core/io.h"
#include "core/vm.h"

/* The widest access that a device gets in one piece. */
#define MMIO_WIDTH_MAX 8u

/* A linear range cut at a page boundary: one or two physical pieces. */
struct pieces {
	unsigned count;
	struct {
		gpa_t gpa;
		unsigned len_bytes;
	} piece[2];
};

static unsigned cpl_get(struct vcpu *v)
{
	struct segment ss;

	hv_seg_get(v, SEG_SS, &ss);
	return (unsigned)bits_get(ss.ar, 6, 5);
}

static enum emul_result translate(struct emul_ctx *ctx, u64 linear, unsigned len_bytes, u32 access,
				  struct pieces *out)
{
	out->count = 0;
	while (len_bytes) {
		unsigned rest = (unsigned)(PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
		unsigned n = MIN(len_bytes, rest);
		u32 err;

		if (gmem_translate(ctx->env, (gva_t){ linear }, access, ctx->cpl == 3,
				   &out->piece[out->count].gpa, &err)) {
			ctx->fault = (struct emul_fault){ EXC_PF, err, linear };
			return EMUL_FAULT;
		}
		out->piece[out->count++].len_bytes = n;
		linear += n;
		len_bytes -= n;
	}
	return EMUL_OK;
}

/* Read a device into `to`, or write `from` to it. */
static void device_move(struct vcpu *v, gpa_t gpa, u8 *to, const u8 *from, unsigned len_bytes)
{
	for (unsigned done = 0, n; done < len_bytes; done += n) {
		gpa_t at = { gpa.v + done };
		u64 value = 0;

		n = MIN(len_bytes - done, MMIO_WIDTH_MAX);
		if (to) {
			value = mmio_read(v, at, n);
			memcpy(to + done, &value, n);
		}
		if (from) {
			memcpy(&value, from + done, n);
			mmio_write(v, at, n, value);
		}
	}
}

static enum emul_result cb_read(struct emul_ctx *ctx, u64 linear, void *buf, unsigned len_bytes,
				enum emul_access access)
{
	static const u32 wanted[] = {
		[EMUL_READ] = ACCESS_READ, [EMUL_RMW] = ACCESS_WRITE, [EMUL_FETCH] = ACCESS_FETCH,
	};
	struct vcpu *v = ctx->env;
	struct pieces p;
	enum emul_result r = translate(ctx, linear, len_bytes, wanted[access], &p);
	u8 *to = buf;

	for (unsigned i = 0; !r && i < p.count; i++) {
		if (gmem_read(v->vm, p.piece[i].gpa, to, p.piece[i].len_bytes)) {
			/* Code in a device: no guest has a reason for it. */
			if (access == EMUL_FETCH)
				return EMUL_UNSUPPORTED;
			device_move(v, p.piece[i].gpa, to, NULL, p.piece[i].len_bytes);
		}
		to += p.piece[i].len_bytes;
	}
	return r;
}

static enum emul_result cb_write(struct emul_ctx *ctx, u64 linear, const void *buf,
				 unsigned len_bytes)
{
	struct vcpu *v = ctx->env;
	struct pieces p;
	enum emul_result r = translate(ctx, linear, len_bytes, ACCESS_WRITE, &p);
	const u8 *from = buf;

	for (unsigned i = 0; from && !r && i < p.count; i++) {
		if (gmem_write(v->vm, p.piece[i].gpa, from, p.piece[i].len_bytes))
			device_move(v, p.piece[i].gpa, NULL, from, p.piece[i].len_bytes);
		from += p.piece[i].len_bytes;
	}
	return r;
}

/* One naturally aligned compare-and-swap in guest RAM. */
static bool ram_cas(void *p, const void *expect, const void *desired, unsigned len_bytes)
{
	u64 old = 0, new = 0;

	memcpy(&old, expect, len_bytes);
	memcpy(&new, desired, len_bytes);
	switch (len_bytes) {
	case 1:
		return atomic_cas_u8(p, (u8)old, (u8)new);
	case 2:
		return atomic_cas_u16(p, (u16)old, (u16)new);
	case 4:
		return atomic_cas_u32(p, (u32)old, (u32)new);
	default:
		return atomic_cas_u64(p, old, new);
	}
}

static enum emul_result cb_cmpxchg(struct emul_ctx *ctx, u64 linear, const void *expect,
				   const void *desired, unsigned len_bytes)
{
	struct vcpu *v = ctx->env;
	struct pieces p = { 0 };
	enum emul_result r = translate(ctx, linear, len_bytes, ACCESS_WRITE, &p);
	void *ram;

	if (r)
		return r;
	ram = memslot_ptr(&v->vm->slots, p.piece[0].gpa, len_bytes);
	/* Devices, and locked accesses across pages: a plain write, no sane guest can tell. */
	if (p.count > 1 || !ram || len_bytes > 8)
		return cb_write(ctx, linear, desired, len_bytes);
	return ram_cas(ram, expect, desired, len_bytes) ? EMUL_OK : EMUL_RETRY;
}

/* The hardware has checked the permission bitmap for the very port that made it exit. */
static enum emul_result cb_port_check(struct emul_ctx *ctx, u16 port,
				      unsigned width_bytes __unused_arg)
{
	struct vcpu *v = ctx->env;
	const struct exit *x = &v->hot->exit;

	return x->kind == EXIT_IO && x->port == port ? EMUL_OK : EMUL_RETRY;
}

static enum emul_result cb_port_in(struct emul_ctx *ctx, u16 port, unsigned width_bytes,
				   u32 *value)
{
	*value = io_read(ctx->env, port, width_bytes);
	return EMUL_OK;
}

static enum emul_result cb_port_out(struct emul_ctx *ctx, u16 port, unsigned width_bytes,
				    u32 value)
{
	io_write(ctx->env, port, width_bytes, value);
	return EMUL_OK;
}

static const struct emul_callbacks callbacks = {
	.read = cb_read, .write = cb_write, .cmpxchg = cb_cmpxchg,
	.port_check = cb_port_check, .port_in = cb_port_in, .port_out = cb_port_out,
};

static void ctx_load(struct emul_ctx *ctx, struct vcpu *v)
{
	*ctx = (struct emul_ctx){ .cb = &callbacks,
				  .env = v,
				  .regs = v->hot->gprs,
				  .rip = hv_reg_get(v, REG_RIP),
				  .rflags = hv_reg_get(v, REG_RFLAGS),
				  .cr0 = hv_reg_get(v, REG_CR0),
				  .cr4 = hv_reg_get(v, REG_CR4),
				  .efer = hv_reg_get(v, REG_EFER),
				  .cpl = (u8)cpl_get(v),
				  .is_amd = cpu_info.vendor == CPU_AMD };
	v->hot->gprs[GPR_RSP] = hv_reg_get(v, REG_RSP);
	for (unsigned i = 0; i < EMUL_NR_SEGS; i++)
		hv_seg_get(v, (enum seg)i, &ctx->seg[i]);
}

/* Write back; also after a repeated instruction that did not finish. */
static void ctx_store(const struct emul_ctx *ctx, struct vcpu *v)
{
	hv_reg_set(v, REG_RIP, ctx->rip);
	hv_reg_set(v, REG_RFLAGS, ctx->rflags);
	hv_reg_set(v, REG_RSP, v->hot->gprs[GPR_RSP]);
}

static void unsupported(struct vcpu *v, const struct emul_ctx *ctx)
{
	const u8 *b = ctx->bytes;

	if (ctx->cpl == 3) {
		event_exception(v, EXC_UD, 0);
		return;
	}
	vm_kill(v->vm, v,
		"cannot emulate the instruction %02x %02x %02x %02x %02x %02x %02x %02x at 0x%llx"
		" (%s, guest-physical 0x%llx)",
		b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], (unsigned long long)ctx->rip,
		emul_op_name(ctx->insn.op), (unsigned long long)v->hot->exit.gpa);
}

void emulate_trap(struct vcpu *v, u64 rflags_before)
{
	if (!(rflags_before & RFLAGS_TF) || debug_db(v, DR6_BS))
		return;
	hv_reg_set(v, REG_DR6, hv_reg_get(v, REG_DR6) | DR6_BS);
	event_exception(v, EXC_DB, 0);
}

void emulate_insn(struct vcpu *v)
{
	struct emul_ctx ctx;
	enum emul_result r;
	u64 rflags, rip;

	ctx_load(&ctx, v);
	rflags = ctx.rflags;
	rip = ctx.rip;
	r = emul_step(&ctx);
	ctx_store(&ctx, v);
	if (r == EMUL_OK) {
		hv_blocking_set(v, hv_blocking_get(v) & ~(u32)(BLOCK_STI | BLOCK_MOV_SS));
		if (ctx.rip != rip)
			emulate_trap(v, rflags);
	} else if (r == EMUL_FAULT) {
		if (ctx.fault.vector == EXC_PF)
			hv_reg_set(v, REG_CR2, ctx.fault.cr2);
		event_exception(v, ctx.fault.vector, ctx.fault.err);
	} else if (r == EMUL_UNSUPPORTED) {
		unsupported(v, &ctx);
	}
}

enum err emulate_decode(struct vcpu *v, struct emul_insn *out)
{
	struct emul_ctx ctx;

	ctx_load(&ctx, v);
	if (emul_decode(&ctx))
		return ERR_FAULT;
	*out = ctx.insn;
	return ERR_NONE;
}
