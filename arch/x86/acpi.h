/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Lamina needs from the host's ACPI tables, if there are any. Tables are read-only and
 * checked (lengths, checksums) before use; a machine without them works with less.
 * acpi_init() on the boot CPU after the host tables; the rest from any context.
 */
#ifndef ARCH_X86_ACPI_H
#define ARCH_X86_ACPI_H

#include "arch/x86/types.h"
#include "core/lib/err.h"

/* Layouts of the ACPI Specification 6.4, "ACPI Software Programming Model". */
struct acpi_rsdp {
	char signature[8];
	u8 checksum; /* over the first 20 bytes */
	char oem_id[6];
	u8 revision;
	u32 rsdt;
	u32 length; /* from here on since revision 2 */
	u64 xsdt;
	u8 checksum_all;
	u8 reserved[3];
} __packed;
_Static_assert(sizeof(struct acpi_rsdp) == 36, "acpi_rsdp layout");

/* Start of every table. */
struct acpi_header {
	char signature[4];
	u32 length;
	u8 revision;
	u8 checksum;
	char oem_id[6];
	char oem_table_id[8];
	u32 oem_revision;
	char creator_id[4];
	u32 creator_revision;
} __packed;
_Static_assert(sizeof(struct acpi_header) == 36, "acpi_header layout");

/* Generic address: where a register is. */
struct acpi_gas {
	u8 space; /* ACPI_SPACE_* */
	u8 width_bits;
	u8 offset_bits;
	u8 access; /* ACPI_ACCESS_* */
	u64 address;
} __packed;
_Static_assert(sizeof(struct acpi_gas) == 12, "acpi_gas layout");

enum { ACPI_SPACE_MEMORY, ACPI_SPACE_IO };
enum { ACPI_ACCESS_BYTE = 1, ACPI_ACCESS_WORD, ACPI_ACCESS_DWORD };

/* Fixed ACPI Description Table. */
struct acpi_fadt {
	struct acpi_header header;
	u32 facs, dsdt;
	u8 reserved0, preferred_pm_profile;
	u16 sci_int;
	u32 smi_cmd; /* 0: the machine is always in ACPI mode */
	u8 acpi_enable, acpi_disable, s4bios_req, pstate_cnt;
	u32 pm1a_evt_blk, pm1b_evt_blk, pm1a_cnt_blk, pm1b_cnt_blk;
	u32 pm2_cnt_blk, pm_tmr_blk, gpe0_blk, gpe1_blk;
	u8 pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len;
	u8 gpe0_blk_len, gpe1_blk_len, gpe1_base, cst_cnt;
	u16 p_lvl2_lat, p_lvl3_lat;
	u16 flush_size, flush_stride;
	u8 duty_offset, duty_width, day_alarm, mon_alarm, century;
	u16 iapc_boot_arch;
	u8 reserved1;
	u32 flags;
	struct acpi_gas reset_reg;
	u8 reset_value;
	u16 arm_boot_arch;
	u8 minor_version;
	u64 x_facs, x_dsdt;
	struct acpi_gas x_pm1a_evt_blk, x_pm1b_evt_blk, x_pm1a_cnt_blk, x_pm1b_cnt_blk;
	struct acpi_gas x_pm2_cnt_blk, x_pm_tmr_blk, x_gpe0_blk, x_gpe1_blk;
	struct acpi_gas sleep_control, sleep_status;
	u64 hypervisor_id;
} __packed;
_Static_assert(offsetof(struct acpi_fadt, flags) == 112, "acpi_fadt layout");
_Static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "acpi_fadt layout");
_Static_assert(sizeof(struct acpi_fadt) == 276, "acpi_fadt layout");
#define FADT_RESET_REG_SUP BIT(10) /* in flags */

/* Structures of the MADT, which lie behind MADT_ENTRIES bytes. */
#define MADT_ENTRIES 44
#define MADT_IOAPIC 1
#define MADT_OVERRIDE 2

struct madt_ioapic {
	u8 type, length; /* 1, 12 */
	u8 id, reserved;
	u32 address;
	u32 gsi_base;
} __packed;
_Static_assert(sizeof(struct madt_ioapic) == 12, "madt_ioapic layout");

struct madt_override {
	u8 type, length; /* 2, 10 */
	u8 bus, irq;
	u32 gsi;
	u16 flags;
} __packed;
_Static_assert(sizeof(struct madt_override) == 10, "madt_override layout");
#define MPS_ACTIVE_HIGH 1u /* "MPS INTI Flags" */
#define MPS_EDGE (1u << 2)
#define MPS_LEVEL (3u << 2)

/* Sum of all bytes; 0 for what carries its right checksum. */
static inline u8 acpi_sum(const void *data, size_t len_bytes)
{
	const u8 *p = data;
	u8 sum = 0;

	while (len_bytes--)
		sum = (u8)(sum + *p++);
	return sum;
}

/*
 * Read the tables behind physical `rsdp` (0: there is none). Damaged or missing tables are logged
 * and left out.
 */
void acpi_init(u64 rsdp);

/* A checked table by its signature, or NULL; valid for ever. */
const struct acpi_header *acpi_find(const char signature[4]);

/* I/O port of the ACPI timer, 0 if unknown. */
u16 acpi_pm_timer_port(void);

/*
 * The n-th 16550 that the tables name as a console: first that of SPCR, then those of DBG2. False
 * behind the last.
 */
bool acpi_serial(u32 n, struct acpi_gas *out) __must_check;

/*
 * Look for Name (\_S5, Package ...) in `len_bytes` of AML and take the two sleep types from it. It
 * is a constant package everywhere, so nothing has to interpret AML. Pure. ERR_NOENT.
 */
enum err acpi_s5_find(const void *aml, size_t len_bytes, u8 *typ_a, u8 *typ_b) __must_check;

/* Enter S5. Returns only if that did not work. ERR_NOENT: the tables do not say how. */
enum err acpi_poweroff(void);

/* Use the FADT's reset register. Returns only if that did not work. */
enum err acpi_reset(void);

#endif
