/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flags as in the ACPI Specification 6.4, chapter "ACPI Software Programming Model".
 */
#include "core/load/gacpi.h"

#include <string.h>

#include "arch/x86/acpi.h"
#include "core/lib/bits.h"
#include "core/load/layout.h"
#include "core/load/load.h"
#include "gen/core/load/dsdt.h"

#define FADT_REVISION 6
#define FADT_MINOR 4
#define FADT_PM_DESKTOP 1
#define FADT_LATENCY_NO_C2 101 /* above 100: the C2 state does not exist */
#define FADT_LATENCY_NO_C3 1001
#define FADT_BOOT_LEGACY_DEVICES BIT(0) /* no BIT(1): there is no 8042 */
#define FADT_BOOT_NO_VGA BIT(2)
#define FADT_WBINVD BIT(0)
#define FADT_PROC_C1 BIT(2)
#define FADT_NO_PWR_BUTTON BIT(4)
#define FADT_NO_SLP_BUTTON BIT(5)
#define FADT_NO_FIX_RTC BIT(6)
#define FADT_TMR_VAL_EXT BIT(8) /* 32 bits wide */

struct acpi_facs {
	char signature[4];
	u32 length;
	u32 unused[6]; /* signature of the hardware, waking vectors, global lock, flags */
	u8 version;
	u8 reserved[31];
} __packed;
_Static_assert(sizeof(struct acpi_facs) == 64, "acpi_facs layout");

/* PCI Firmware Specification, "MCFG Table Description". */
struct acpi_mcfg {
	struct acpi_header header;
	u64 reserved0;
	u64 base;
	u16 segment;
	u8 first_bus, last_bus;
	u32 reserved1;
} __packed;
_Static_assert(sizeof(struct acpi_mcfg) == 36 + 24, "acpi_mcfg layout");

struct acpi_xsdt {
	struct acpi_header header;
	u64 fadt, madt, mcfg;
} __packed;

/* Multiple APIC Description Table; each entry begins with its type and length. */
struct acpi_madt {
	struct acpi_header header;
	u32 lapic_address;
	u32 flags;
	struct madt_ioapic ioapic;
	struct madt_override pit, sci;
	struct {
		u8 type, length, uid;
		u16 flags;
		u8 lint;
	} __packed nmi;
	struct {
		u8 type, length, uid, apic_id;
		u32 flags;
	} cpu[LOAD_MAX_CPUS];
} __packed;
_Static_assert(offsetof(struct acpi_madt, cpu) == 44 + 12 + 2 * 10 + 6, "acpi_madt layout");
#define MADT_PCAT_COMPAT BIT(0) /* there is a PIC, too */
#define MADT_ENABLED BIT(0)
#define MADT_UID_ALL 0xff

/* APIC id 255 is the xAPIC broadcast: from there on a CPU would need another kind of entry. */
_Static_assert(LOAD_MAX_CPUS <= 255, "every CPU has an xAPIC id");

/* Where the next table goes. The first error sticks. */
struct gacpi {
	const struct guest_mem *mem;
	u64 next; /* first free address */
	enum err err;
};

/* Write a table that is complete; returns its address. */
static u64 whole_write(struct gacpi *g, const void *table, u64 len_bytes)
{
	u64 at = ALIGN_UP(g->next, 64);

	if (!g->err && len_bytes > GPA_ROM_CODE - at)
		g->err = ERR_NOMEM;
	if (!g->err)
		g->err = guest_mem_write(g->mem, at, table, len_bytes);
	g->next = at + len_bytes;
	return at;
}

/* The same for a table whose header is still to be filled in. */
static u64 table_write(struct gacpi *g, const char *signature, u8 revision, void *table,
		       u64 len_bytes)
{
	struct acpi_header *h = table;

	*h = (struct acpi_header){
		.length = (u32)len_bytes,
		.revision = revision,
		.oem_id = { 'L', 'A', 'M', 'I', 'N', 'A' },
		.oem_table_id = { 'L', 'A', 'M', 'I', 'N', 'A', 'V', 'M' },
		.oem_revision = 1,
		.creator_id = { 'L', 'A', 'M', 'I' },
		.creator_revision = 1,
	};
	memcpy(h->signature, signature, sizeof(h->signature));
	h->checksum = (u8)-acpi_sum(table, len_bytes);
	return whole_write(g, table, len_bytes);
}

static struct acpi_gas gas_io(u16 port, u8 bytes, u8 access)
{
	return (struct acpi_gas){ ACPI_SPACE_IO, (u8)(bytes * 8), 0, access, port };
}

/* The registers are named in the old form and in the extended one, which must agree. */
static u64 fadt_write(struct gacpi *g, u64 facs, u64 dsdt)
{
	struct acpi_fadt f = {
		.facs = (u32)facs, /* x_facs stays 0: the specification wants one of the two */
		.dsdt = (u32)dsdt,
		.x_dsdt = dsdt,
		.preferred_pm_profile = FADT_PM_DESKTOP,
		.sci_int = ACPI_SCI_IRQ,
		.pm1a_evt_blk = IO_PM1A_EVT,
		.pm1_evt_len = 4,
		.x_pm1a_evt_blk = gas_io(IO_PM1A_EVT, 4, ACPI_ACCESS_WORD),
		.pm1a_cnt_blk = IO_PM1A_CNT,
		.pm1_cnt_len = 2,
		.x_pm1a_cnt_blk = gas_io(IO_PM1A_CNT, 2, ACPI_ACCESS_WORD),
		.pm_tmr_blk = IO_PM_TMR,
		.pm_tmr_len = 4,
		.x_pm_tmr_blk = gas_io(IO_PM_TMR, 4, ACPI_ACCESS_DWORD),
		.reset_reg = gas_io(IO_RESET, 1, ACPI_ACCESS_BYTE),
		.reset_value = RESET_VALUE,
		.p_lvl2_lat = FADT_LATENCY_NO_C2,
		.p_lvl3_lat = FADT_LATENCY_NO_C3,
		.century = RTC_CENTURY_INDEX,
		.iapc_boot_arch = FADT_BOOT_LEGACY_DEVICES | FADT_BOOT_NO_VGA,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_PWR_BUTTON | FADT_NO_SLP_BUTTON |
			 FADT_NO_FIX_RTC | FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP,
		.minor_version = FADT_MINOR,
	};

	return table_write(g, "FACP", FADT_REVISION, &f, sizeof(f));
}

static u64 madt_write(struct gacpi *g, u32 nr_cpus)
{
	struct acpi_madt m = {
		.lapic_address = GPA_LAPIC,
		.flags = MADT_PCAT_COMPAT,
		.ioapic = { 1, 12, IOAPIC_ID, 0, GPA_IOAPIC, IOAPIC_GSI_BASE },
		.pit = { 2, 10, 0, 0, GSI_PIT, MPS_ACTIVE_HIGH | MPS_EDGE },
		.sci = { 2, 10, 0, ACPI_SCI_IRQ, ACPI_SCI_IRQ, MPS_ACTIVE_HIGH | MPS_LEVEL },
		.nmi = { 4, 6, MADT_UID_ALL, 0, 1 }, /* LINT1 of every CPU */
	};

	for (u8 id = 0; id < nr_cpus; id++)
		m.cpu[id] = (__typeof__(m.cpu[0])){ 0, 8, id, id, MADT_ENABLED };
	return table_write(g, "APIC", 5, &m,
			   sizeof(m) - (LOAD_MAX_CPUS - nr_cpus) * sizeof(m.cpu[0]));
}

static void rsdp_write(struct gacpi *g, u64 xsdt)
{
	struct acpi_rsdp r = {
		.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
		.oem_id = { 'L', 'A', 'M', 'I', 'N', 'A' },
		.revision = 2,
		.length = sizeof(r),
		.xsdt = xsdt,
	};

	r.checksum = (u8)-acpi_sum(&r, offsetof(struct acpi_rsdp, length));
	r.checksum_all = (u8)-acpi_sum(&r, sizeof(r));
	if (!g->err)
		g->err = guest_mem_write(g->mem, GPA_RSDP, &r, sizeof(r));
}

enum err gacpi_write(const struct guest_mem *mem, u32 nr_cpus, u64 *rsdp)
{
	struct gacpi g = { .mem = mem, .next = GPA_RSDP + sizeof(struct acpi_rsdp) };
	const struct acpi_facs facs = {
		.signature = { 'F', 'A', 'C', 'S' },
		.length = sizeof(facs),
		.version = 2,
	};
	/* Linux warns of a PCI host bridge without one. */
	struct acpi_mcfg mcfg = { .base = GPA_PCI_ECAM };
	const u64 dsdt_at = whole_write(&g, dsdt_aml, sizeof(dsdt_aml));
	const u64 facs_at = whole_write(&g, &facs, sizeof(facs));
	struct acpi_xsdt xsdt = {
		.fadt = fadt_write(&g, facs_at, dsdt_at),
		.madt = madt_write(&g, nr_cpus),
		.mcfg = table_write(&g, "MCFG", 1, &mcfg, sizeof(mcfg)),
	};

	rsdp_write(&g, table_write(&g, "XSDT", 1, &xsdt, sizeof(xsdt)));
	*rsdp = GPA_RSDP;
	return g.err;
}
