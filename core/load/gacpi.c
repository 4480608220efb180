/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Flags as in the ACPI Specification 6.4, chapter "ACPI Software Programming Model". Tables are
 * streamed into guest memory and get their header, with length and checksum, last, so their size
 * does not depend on a buffer here.
 */
#include "core/load/gacpi.h"

#include <string.h>

#include "arch/x86/acpi.h"
#include "core/lib/bits.h"
#include "core/load/layout.h"
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
	u32 hardware_signature;
	u32 waking_vector;
	u32 global_lock;
	u32 flags;
	u64 x_waking_vector;
	u8 version;
	u8 reserved[31];
} __packed;
_Static_assert(sizeof(struct acpi_facs) == 64, "acpi_facs layout");

/* PCI Firmware Specification, "MCFG Table Description"; without its header. */
struct acpi_mcfg {
	u64 reserved0;
	u64 base;
	u16 segment;
	u8 first_bus, last_bus;
	u32 reserved1;
} __packed;
_Static_assert(sizeof(struct acpi_mcfg) == 24, "acpi_mcfg layout");

/* Multiple APIC Description Table; without its header. */
struct acpi_madt {
	u32 lapic_address;
	u32 flags;
} __packed;
#define MADT_PCAT_COMPAT BIT(0) /* there is a PIC, too */

struct madt_lapic {
	u8 type, length; /* 0, 8 */
	u8 uid;
	u8 apic_id;
	u32 flags;
} __packed;
_Static_assert(sizeof(struct madt_lapic) == 8, "madt_lapic layout");
#define MADT_ENABLED BIT(0)

struct madt_lapic_nmi {
	u8 type, length; /* 4, 6 */
	u8 uid;
	u16 flags;
	u8 lint;
} __packed;
_Static_assert(sizeof(struct madt_lapic_nmi) == 6, "madt_lapic_nmi layout");

struct madt_x2apic {
	u8 type, length; /* 9, 16 */
	u16 reserved;
	u32 apic_id;
	u32 flags;
	u32 uid;
} __packed;
_Static_assert(sizeof(struct madt_x2apic) == 16, "madt_x2apic layout");

struct madt_x2apic_nmi {
	u8 type, length; /* 10, 12 */
	u16 flags;
	u32 uid;
	u8 lint;
	u8 reserved[3];
} __packed;
_Static_assert(sizeof(struct madt_x2apic_nmi) == 12, "madt_x2apic_nmi layout");

/* APIC id 255 is the xAPIC broadcast: from there on a CPU needs an x2APIC entry. */
#define FIRST_X2APIC_ID 255u
#define UID_ALL_8 0xffu
#define UID_ALL_32 0xffffffffu

/* Where the next table goes, and the one being written. The first error sticks. */
struct gacpi {
	const struct guest_mem *mem;
	u64 next; /* first free address */
	u64 table; /* start of the table being written */
	u8 sum;
	enum err err;
};

static void gacpi_append(struct gacpi *g, const void *buf, u64 len_bytes)
{
	if (!g->err && len_bytes > GPA_ROM_CODE - g->next)
		g->err = ERR_NOMEM;
	if (g->err)
		return;
	g->err = guest_mem_write(g->mem, g->next, buf, len_bytes);
	g->sum = (u8)(g->sum + acpi_sum(buf, len_bytes));
	g->next += len_bytes;
}

/* Start a table, leaving room for its header. */
static void table_begin(struct gacpi *g)
{
	const struct acpi_header blank = { .length = 0 };

	g->next = ALIGN_UP(g->next, 16);
	g->table = g->next;
	g->sum = 0;
	gacpi_append(g, &blank, sizeof(blank));
}

/* Write the header of the table begun last; returns the table's address. */
static u64 table_end(struct gacpi *g, const char *signature, u8 revision)
{
	struct acpi_header h = {
		.length = (u32)(g->next - g->table),
		.revision = revision,
		.oem_id = { 'L', 'A', 'M', 'I', 'N', 'A' },
		.oem_table_id = { 'L', 'A', 'M', 'I', 'N', 'A', 'V', 'M' },
		.oem_revision = 1,
		.creator_id = { 'L', 'A', 'M', 'I' },
		.creator_revision = 1,
	};

	memcpy(h.signature, signature, sizeof(h.signature));
	h.checksum = (u8)-(u8)(g->sum + acpi_sum(&h, sizeof(h)));
	if (!g->err)
		g->err = guest_mem_write(g->mem, g->table, &h, sizeof(h));
	return g->table;
}

/* The same for a table of which all that follows the header is `body`. */
static u64 table_write(struct gacpi *g, const char *signature, u8 revision, const void *body,
		       u64 len_bytes)
{
	table_begin(g);
	gacpi_append(g, body, len_bytes);
	return table_end(g, signature, revision);
}

/* A table that brings its header along. */
static u64 whole_write(struct gacpi *g, const void *table, u64 len_bytes)
{
	u64 at = ALIGN_UP(g->next, 64);

	g->next = at;
	gacpi_append(g, table, len_bytes);
	return at;
}

static u64 facs_write(struct gacpi *g)
{
	const struct acpi_facs facs = {
		.signature = { 'F', 'A', 'C', 'S' },
		.length = sizeof(facs),
		.version = 2,
	};

	return whole_write(g, &facs, sizeof(facs));
}

static struct acpi_gas gas_io(u16 port, u8 bytes, u8 access)
{
	return (struct acpi_gas){
		.space = ACPI_SPACE_IO,
		.width_bits = (u8)(bytes * 8),
		.access = access,
		.address = port,
	};
}

/* The registers, each named in the old form and in the extended one, which must agree. */
static void fadt_set_registers(struct acpi_fadt *f)
{
	f->pm1a_evt_blk = IO_PM1A_EVT;
	f->pm1_evt_len = 4;
	f->x_pm1a_evt_blk = gas_io(IO_PM1A_EVT, 4, ACPI_ACCESS_WORD);
	f->pm1a_cnt_blk = IO_PM1A_CNT;
	f->pm1_cnt_len = 2;
	f->x_pm1a_cnt_blk = gas_io(IO_PM1A_CNT, 2, ACPI_ACCESS_WORD);
	f->pm_tmr_blk = IO_PM_TMR;
	f->pm_tmr_len = 4;
	f->x_pm_tmr_blk = gas_io(IO_PM_TMR, 4, ACPI_ACCESS_DWORD);
	f->reset_reg = gas_io(IO_RESET, 1, ACPI_ACCESS_BYTE);
	f->reset_value = RESET_VALUE;
}

static u64 fadt_write(struct gacpi *g, u64 facs, u64 dsdt)
{
	struct acpi_fadt f = {
		.facs = (u32)facs, /* x_facs stays 0: the specification wants one of the two */
		.dsdt = (u32)dsdt,
		.x_dsdt = dsdt,
		.preferred_pm_profile = FADT_PM_DESKTOP,
		.sci_int = ACPI_SCI_IRQ,
		.p_lvl2_lat = FADT_LATENCY_NO_C2,
		.p_lvl3_lat = FADT_LATENCY_NO_C3,
		.century = RTC_CENTURY_INDEX,
		.iapc_boot_arch = FADT_BOOT_LEGACY_DEVICES | FADT_BOOT_NO_VGA,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_PWR_BUTTON | FADT_NO_SLP_BUTTON |
			 FADT_NO_FIX_RTC | FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP,
		.minor_version = FADT_MINOR,
	};

	fadt_set_registers(&f);
	return table_write(g, "FACP", FADT_REVISION, &f.header + 1, sizeof(f) - sizeof(f.header));
}

static void madt_add_cpu(struct gacpi *g, u32 id)
{
	const struct madt_lapic xapic = { 0, sizeof(xapic), (u8)id, (u8)id, MADT_ENABLED };
	const struct madt_x2apic x2apic = { 9, sizeof(x2apic), 0, id, MADT_ENABLED, id };

	if (id < FIRST_X2APIC_ID)
		gacpi_append(g, &xapic, sizeof(xapic));
	else
		gacpi_append(g, &x2apic, sizeof(x2apic));
}

static void madt_add_override(struct gacpi *g, u8 irq, u32 gsi, u16 flags)
{
	const struct madt_override o = {
		.type = 2, .length = sizeof(o), .irq = irq, .gsi = gsi, .flags = flags
	};

	gacpi_append(g, &o, sizeof(o));
}

/* NMIs arrive at LINT1 of every CPU. */
static void madt_add_nmi(struct gacpi *g, u32 nr_cpus)
{
	const struct madt_lapic_nmi xapic = {
		.type = 4, .length = sizeof(xapic), .uid = UID_ALL_8, .lint = 1
	};
	const struct madt_x2apic_nmi x2apic = {
		.type = 10, .length = sizeof(x2apic), .uid = UID_ALL_32, .lint = 1
	};

	gacpi_append(g, &xapic, sizeof(xapic));
	if (nr_cpus > FIRST_X2APIC_ID)
		gacpi_append(g, &x2apic, sizeof(x2apic));
}

static u64 madt_write(struct gacpi *g, u32 nr_cpus)
{
	const struct acpi_madt madt = { .lapic_address = GPA_LAPIC, .flags = MADT_PCAT_COMPAT };
	const struct madt_ioapic ioapic = {
		.type = 1,
		.length = sizeof(ioapic),
		.id = IOAPIC_ID,
		.address = GPA_IOAPIC,
		.gsi_base = IOAPIC_GSI_BASE,
	};

	table_begin(g);
	gacpi_append(g, &madt, sizeof(madt));
	for (u32 id = 0; id < nr_cpus; id++)
		madt_add_cpu(g, id);
	gacpi_append(g, &ioapic, sizeof(ioapic));
	madt_add_override(g, 0, GSI_PIT, MPS_ACTIVE_HIGH | MPS_EDGE);
	madt_add_override(g, ACPI_SCI_IRQ, ACPI_SCI_IRQ, MPS_ACTIVE_HIGH | MPS_LEVEL);
	madt_add_nmi(g, nr_cpus);
	return table_end(g, "APIC", 5);
}

/* Linux warns of a PCI host bridge without one. */
static u64 mcfg_write(struct gacpi *g)
{
	const struct acpi_mcfg mcfg = { .base = GPA_PCI_ECAM };

	return table_write(g, "MCFG", 1, &mcfg, sizeof(mcfg));
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
	const u64 dsdt = whole_write(&g, dsdt_aml, sizeof(dsdt_aml));
	const u64 facs = facs_write(&g);
	const u64 fadt = fadt_write(&g, facs, dsdt);
	const u64 madt = madt_write(&g, nr_cpus);
	const u64 tables[] = { fadt, madt, mcfg_write(&g) };

	rsdp_write(&g, table_write(&g, "XSDT", 1, tables, sizeof(tables)));
	*rsdp = GPA_RSDP;
	return g.err;
}
