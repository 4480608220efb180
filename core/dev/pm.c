/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/dev/pm.h"

#include "core/clock.h"
#include "core/dev/ticks.h"
#include "core/irq.h"
#include "core/lib/bits.h"
#include "core/load/layout.h"
#include "core/vm.h"

/* The events' and control registers, 16 bits each, in the order of their ports. */
enum { STATUS, ENABLE, CONTROL };

/* ACPI "PM1 Status Registers", "PM1 Enable Registers", "PM1 Control Registers". */
#define STS_TIMER BIT(0)
#define EN_WRITABLE 0x0521u /* timer, global lock, buttons, RTC: nothing but the timer happens */
#define CNT_SCI_EN BIT(0)
#define CNT_SLP_TYP_HI 12
#define CNT_SLP_TYP_LO 10
#define CNT_SLP_EN BIT(13)
#define CNT_WRITABLE 0x1c06u /* SLP_TYP, GBL_RLS, BM_RLD */

#define TOGGLE_SHIFT 31 /* TMR_STS is set whenever the top bit of the counter changes */

#define PORT_KBC_COMMAND 0x64
#define PORT_92 0x92
#define KBC_PULSE_RESET 0xfe
#define KBC_ABSENT 0xff
#define PORT92_RESET BIT(0)
#define PORT92_A20 BIT(1)
#define RESET_CONTROL_DO BIT(2)
#define RESET_CONTROL_KEPT 0x0a /* full reset, system reset */

static u64 timer_ticks(const struct pm *p)
{
	u64 now = clock_tsc();

	/* The TSCs of two CPUs may differ a little. */
	return ticks_from_ns(clock_ns_from_tsc(now - MIN(now, p->start_tsc)), PM_TIMER_HZ);
}

static u64 tsc_of_toggle(const struct pm *p, u64 n)
{
	return p->start_tsc + clock_tsc_from_ns(ticks_to_ns(n << TOGGLE_SHIFT, PM_TIMER_HZ)) + 1;
}

/* Bring TMR_STS up to date; the SCI follows; arm the timer if it may raise it later. */
static void pm_update(struct vm *vm)
{
	struct pm *p = &vm->pm;
	u64 toggles = timer_ticks(p) >> TOGGLE_SHIFT;

	if (toggles > p->seen_toggles) {
		p->seen_toggles = toggles;
		p->reg[STATUS] |= STS_TIMER;
	}
	irq_line_set(vm, IRQ_LINE_SCI, p->reg[STATUS] & p->reg[ENABLE]);
	if (p->reg[ENABLE] & ~p->reg[STATUS] & STS_TIMER)
		timer_arm(&p->timer, tsc_of_toggle(p, p->seen_toggles + 1));
	else
		timer_cancel(&p->timer);
}

void pm_fire(struct timer *t)
{
	struct vm *vm = container_of(t, struct vm, pm.timer);

	lock_acquire(&vm->dev_lock);
	pm_update(vm);
	lock_release(&vm->dev_lock);
}

u32 pm_read(struct vm *vm, u16 port, unsigned width_bytes __unused_arg)
{
	const struct pm *p = &vm->pm;
	unsigned i = (port - IO_PM1A_EVT) / 2u;

	/* Guests read the timer often, and it cannot show a change of the events. */
	if ((port & ~3u) == IO_PM_TMR)
		return (u32)timer_ticks(p) >> (8 * (port & 3));
	pm_update(vm);
	return i < ARRAY_SIZE(p->reg) ? (u32)p->reg[i] >> (8 * (port & 1)) : 0;
}

static void control_write(struct vm *vm, u16 value)
{
	vm->pm.reg[CONTROL] = (value & CNT_WRITABLE) | CNT_SCI_EN;
	if ((value & CNT_SLP_EN) &&
	    bits_get(value, CNT_SLP_TYP_HI, CNT_SLP_TYP_LO) == ACPI_S5_SLP_TYP)
		vm_stop(vm, VM_END_POWEROFF);
}

/* The timer is read-only. */
void pm_write(struct vm *vm, u16 port, unsigned width_bytes, u32 value)
{
	u16 *reg = vm->pm.reg;
	unsigned i = (port - IO_PM1A_EVT) / 2u, shift = 8 * (port & 1);
	u16 lanes = (u16)(MASK(width_bytes * 8 - 1, 0) << shift);

	pm_update(vm);
	value = value << shift & lanes;
	if (i == STATUS) /* ones clear */
		reg[i] &= (u16)~value;
	else if (i == ENABLE)
		reg[i] = ((reg[i] & (u16)~lanes) | (u16)value) & EN_WRITABLE;
	else if (i == CONTROL)
		control_write(vm, (reg[i] & (u16)~lanes) | (u16)value);
	pm_update(vm);
}

u32 pm_reset_read(struct vm *vm, u16 port, unsigned width_bytes __unused_arg)
{
	if (port == PORT_92)
		return vm->pm.port92;
	return port == IO_RESET ? vm->pm.reset_control : KBC_ABSENT;
}

void pm_reset_write(struct vm *vm, u16 port, unsigned width_bytes __unused_arg, u32 value)
{
	struct pm *p = &vm->pm;
	bool resets = port == PORT_KBC_COMMAND && (value & 0xff) == KBC_PULSE_RESET;

	if (port == PORT_92) { /* address line 20 is always there: the bit is only kept */
		resets = value & ~(u32)p->port92 & PORT92_RESET;
		p->port92 = value & (PORT92_RESET | PORT92_A20);
	} else if (port == IO_RESET) {
		resets = value & RESET_CONTROL_DO;
		p->reset_control = value & RESET_CONTROL_KEPT;
	}
	if (resets)
		vm_stop(vm, VM_END_RESET);
}

void pm_reset(struct vm *vm)
{
	struct pm *p = &vm->pm;

	timer_cancel(&p->timer);
	*p = (struct pm){
		.reg[CONTROL] = CNT_SCI_EN,
		.timer = p->timer,
		.port92 = PORT92_A20,
		.start_tsc = clock_tsc(),
	};
	irq_line_set(vm, IRQ_LINE_SCI, false);
}
