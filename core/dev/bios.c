/* SPDX-License-Identifier: BSD-2-Clause */
#include "core/dev/bios.h"

#include "arch/x86/apic.h"
#include "core/vm.h"

#define PIC_MASTER_MASK_PORT 0x21
#define PIC_MASK 0xfa /* all but the timer and the cascade */
#define PIT_COUNT_PORT 0x40
#define PIT_COMMAND_PORT 0x43
#define PIT_SQUARE_WAVE 0x36 /* channel 0, low and high byte, mode 3; count 0 is 65536 */

#define LVT_EXTINT 0x700
#define LVT_NMI 0x400
#define SVR_ENABLED 0x1ff

void bios_devices_start(struct vm *vm)
{
	pit_write(vm, PIT_COMMAND_PORT, 1, PIT_SQUARE_WAVE);
	pit_write(vm, PIT_COUNT_PORT, 1, 0);
	pit_write(vm, PIT_COUNT_PORT, 1, 0);
	pic_write(vm, PIC_MASTER_MASK_PORT, 1, PIC_MASK);
}

void bios_lapic_start(struct vcpu *v)
{
	lapic_mmio_write(v, APIC_SVR, 4, SVR_ENABLED);
	lapic_mmio_write(v, APIC_LVT_LINT0, 4, LVT_EXTINT);
	lapic_mmio_write(v, APIC_LVT_LINT1, 4, LVT_NMI);
}
