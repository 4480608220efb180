/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * APIC virtualization of the fake CPU: SDM "APIC Virtualization and Virtual Interrupts". Virtual
 * interrupt delivery, posted-interrupt processing, IPI virtualization.
 */
#include "tests/host/fake_cpu.h"

#include <stdlib.h>
#include <string.h>

#include "arch/x86/regs.h"
#include "vmx/vmx.h"

#define FIELDS 0x8000u

#define CONTROL_ON BIT(0)
#define CONTROL_SN BIT(1)

static u64 *field(const struct fake_vcpu *f, u32 encoding)
{
	return &f->vmcs[encoding];
}

/* The current VMCS of this CPU. */
u64 *fake_vmcs_field(u32 encoding)
{
	static u64 nothing;

	if (!machine.cpu || !machine.cpu->f) {
		fake_fault("a VMCS field without a current VMCS");
		return &nothing;
	}
	return field(machine.cpu->f, encoding);
}

void vmx_bitmap_set(u8 *bitmap, u32 msr, u32 exits)
{
	u8 bit = (u8)(1u << msr % 8);

	bitmap[msr / 8] =
		(u8)(exits & MSR_EXIT_READ ? bitmap[msr / 8] | bit : bitmap[msr / 8] & ~bit);
	bitmap += 2048;
	bitmap[msr / 8] =
		(u8)(exits & MSR_EXIT_WRITE ? bitmap[msr / 8] | bit : bitmap[msr / 8] & ~bit);
}

void posted_vm_make(void)
{
	struct vmx_vm *vm = machine.vm.vendor;

	vm->msr_bitmap = memset(page_alloc(), 0xff, PAGE_SIZE);
	vm->x2apic_bitmap = memset(page_alloc(), 0xff, PAGE_SIZE);
}

void posted_vm_drop(void)
{
	struct vmx_vm *vm = machine.vm.vendor;

	page_free(vm->msr_bitmap);
	page_free(vm->x2apic_bitmap);
}

void posted_vcpu_make(struct fake_vcpu *f)
{
	f->v->vendor = page_alloc();
	f->vmcs = calloc(FIELDS, sizeof(u64));
}

void posted_vcpu_start(struct fake_vcpu *f)
{
	const struct vmx_vm *vm = machine.vm.vendor;

	*field(f, VMCS_MSR_BITMAP) = (u64)vm->msr_bitmap;
	*field(f, VMCS_PIN_CONTROLS) = vmx_caps.pin;
	*field(f, VMCS_PROC_CONTROLS) = PROC_CR8 | PROC_HLT | PROC_MSR_BITMAP | PROC_SECONDARY;
	vmx_apic_fields_write(f->v);
}

void posted_vcpu_drop(struct fake_vcpu *f)
{
	free(f->vmcs);
	page_free(f->v->vendor);
}

bool posted_is_on(const struct fake_vcpu *f)
{
	return *field(f, VMCS_PIN_CONTROLS) & PIN_POSTED;
}

static bool has_ipiv(const struct fake_vcpu *f)
{
	return (*field(f, VMCS_PROC_CONTROLS) & PROC_TERTIARY) &&
	       (*field(f, VMCS_PROC3_CONTROLS) & PROC3_IPIV);
}

/* Annex B's checks, and what has to agree. */
static void entry_check(struct fake_vcpu *f)
{
	u64 proc = *field(f, VMCS_PROC_CONTROLS);
	u64 proc2 = *field(f, VMCS_PROC2_CONTROLS);
	bool is_on = posted_is_on(f);

	if (is_on != !!(proc2 & PROC2_VID) || (is_on && !(proc & PROC_TPR_SHADOW)))
		fake_fault("controls of interrupt delivery do not go together");
	if ((proc2 & PROC2_X2APIC) && (proc2 & PROC2_APIC_ACCESS))
		fake_fault("x2APIC virtualization and virtualized APIC accesses at once");
	if (!is_on && (proc & PROC_TERTIARY))
		fake_fault("IPI virtualization without interrupt delivery");
	if (is_on && (*field(f, VMCS_VIRTUAL_APIC) != (u64)f->v->lapic.regs ||
		      *field(f, VMCS_POSTED_DESCRIPTOR) != (u64)&f->v->hot->posted ||
		      *field(f, VMCS_POSTED_VECTOR) != IRQ_POSTED))
		fake_fault("the VMCS has wrong addresses or vectors");
	if (machine.config.wrong == WRONG_NOTHING && f->v->hot->apic_live != is_on)
		fake_fault("apic_live and the VMCS disagree");
}

static u32 rvi(const struct fake_vcpu *f)
{
	return *field(f, VMCS_GUEST_INTR_STATUS) & 0xff;
}

static u32 svi(const struct fake_vcpu *f)
{
	return *field(f, VMCS_GUEST_INTR_STATUS) >> 8 & 0xff;
}

static void status_set(struct fake_vcpu *f, int rvi_new, int svi_new)
{
	*field(f, VMCS_GUEST_INTR_STATUS) = (u64)(MAX(svi_new, 0) << 8 | MAX(rvi_new, 0));
}

/* SDM "Evaluation of Pending Virtual Interrupts": RVI against VPPR, which SVI and VTPR make. */
static void evaluate(struct fake_vcpu *f)
{
	u32 *regs = f->v->lapic.regs;
	u32 ppr = priority_of(regs[APIC_TPR / 4], svi(f) ? (int)svi(f) : -1);

	f->is_evaluating = true;
	fake_step();
	regs[APIC_PPR / 4] = ppr;
	f->known = rvi(f) >> 4 > ppr >> 4 ? (int)rvi(f) : -1;
	f->is_evaluating = false;
}

void posted_enter(struct fake_vcpu *f)
{
	u64 info = *field(f, VMCS_ENTRY_INTR_INFO);

	if (machine.vm.lapic_path >= LAPIC_APICV)
		entry_check(f);
	if (info & INTR_VALID) {
		if (bits_get(info, 10, 8) == EVENT_INTR) {
			if (!f->has_if)
				fake_fault("an interrupt is injected with IF = 0");
			fake_take(f, (u8)info, true);
		} else {
			machine.signals[f->v->index].nmis++;
		}
		*field(f, VMCS_ENTRY_INTR_INFO) = 0;
	}
	if (posted_is_on(f)) {
		if ((int)svi(f) != MAX(vector_highest(f->v->lapic.regs, APIC_ISR), 0))
			fake_fault("SVI is not the highest vector in service");
		evaluate(f);
	}
}

bool posted_window_opens(struct fake_vcpu *f)
{
	return f->has_if && (*field(f, VMCS_PROC_CONTROLS) & PROC_INTR_WINDOW);
}

bool posted_msr_exits(struct fake_vcpu *f, u32 msr, bool is_write)
{
	const u8 *bitmap = (const u8 *)*field(f, VMCS_MSR_BITMAP);

	return bitmap[(is_write ? 2048 : 0) + msr / 8] >> msr % 8 & 1;
}

/* SDM "Posted-Interrupt Processing", steps 3 to 7. */
void posted_notified(struct fake_vcpu *f)
{
	struct posted *p = &f->v->hot->posted;
	u32 *regs = f->v->lapic.regs;
	int highest = (int)rvi(f);

	f->is_evaluating = true;
	fake_step();
	p->control &= ~CONTROL_ON;
	for (u32 i = 0; i < 8; i++) {
		u32 bits;

		fake_step();
		bits = p->pir[i];
		p->pir[i] = 0;
		*vector_word(regs, APIC_IRR, (u8)(32 * i)) |= bits;
		if (bits)
			highest = MAX(highest, (int)(32 * i + bit_last(bits)));
	}
	status_set(f, highest, (int)svi(f));
	evaluate(f);
}

/* SDM "Virtual-Interrupt Delivery"; IRR, ISR and VPPR are done. */
void posted_accept(struct fake_vcpu *f)
{
	int vector = vector_highest(f->v->lapic.regs, APIC_ISR);

	status_set(f, vector_highest(f->v->lapic.regs, APIC_IRR), vector);
}

static bool decoded(struct fake_vcpu *f, enum exit_kind kind, u64 info, u8 vector)
{
	f->v->hot->exit = (struct exit){ .kind = kind, .info = info, .vector = vector };
	f->exit = FAKE_DECODED;
	return true;
}

/* SDM "EOI Virtualization". */
static bool eoi_write(struct fake_vcpu *f)
{
	u32 *regs = f->v->lapic.regs;
	u8 vector = (u8)svi(f);
	u64 bitmap = *field(f, VMCS_EOI_EXIT0 + 2 * (vector / 64));

	*vector_word(regs, APIC_ISR, vector) &= ~vector_bit(vector);
	status_set(f, (int)rvi(f), vector_highest(regs, APIC_ISR));
	if (bitmap >> vector % 64 & 1)
		return decoded(f, EXIT_APIC_EOI, 0, vector);
	evaluate(f);
	return false;
}

static void self_ipi(struct fake_vcpu *f, u8 vector)
{
	*vector_word(f->v->lapic.regs, APIC_IRR, vector) |= vector_bit(vector);
	status_set(f, MAX((int)rvi(f), (int)vector), (int)svi(f));
	evaluate(f);
}

/* SDM "IPI Virtualization": PIR, then ON and the notification. False: not one that it does. */
static bool ipi_virtualize(struct fake_vcpu *f, u32 icr, u32 dest)
{
	const u64 *table = (const u64 *)*field(f, VMCS_PID_TABLE);
	struct posted *p;
	u64 control;

	if ((icr & ~0xffu & ~APIC_ICR_ASSERT) || (icr & 0xff) < LAPIC_VECTOR_MIN ||
	    dest > *field(f, VMCS_PID_LAST_INDEX) || !(table[dest] & 1))
		return false;
	p = (struct posted *)(table[dest] & ~0x3full);
	fake_step();
	p->pir[(icr & 0xff) / 32] |= 1u << icr % 32;
	fake_step();
	control = p->control;
	if (control & (CONTROL_ON | CONTROL_SN))
		return true;
	p->control |= CONTROL_ON;
	fake_notify((u32)(control >> 32), control >> 16 & 0xff);
	return true;
}

bool posted_write(struct fake_vcpu *f, u32 offset, u32 value, u32 value_high)
{
	u32 *regs = f->v->lapic.regs;

	regs[offset / 4] = value;
	switch (offset) {
	case APIC_TPR:
		evaluate(f);
		return false;
	case APIC_EOI:
		return eoi_write(f);
	case APIC_SELF_IPI:
		self_ipi(f, (u8)value);
		return false;
	case APIC_ICR:
		if (machine.config.is_x2apic)
			regs[APIC_X2_ICR_HIGH / 4] = value_high;
		if (has_ipiv(f) && ipi_virtualize(f, value, value_high))
			return false;
		return decoded(f, EXIT_APIC_WRITE, offset, 0);
	default:
		return decoded(f, EXIT_APIC_WRITE, offset, 0);
	}
}
