/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/acpi.h"

#include <string.h>

#include "arch/x86/insn.h"
#include "arch/x86/pt_host.h"
#include "arch/x86/tsc.h"
#include "core/lib/log.h"

#define TABLES_MAX 64
#define TABLE_BYTES_MAX MiB(4)
#define RSDP_V1_BYTES 20
#define ENABLE_WAIT_US 1000000
#define EFFECT_WAIT_US 500000

#define PM1_SCI_EN 0x1u
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP_MASK 0x1c00u
#define PM1_SLP_EN 0x2000u

struct spcr {
	struct acpi_header header;
	u8 interface;
	u8 reserved[3];
	struct acpi_gas base;
} __packed;
_Static_assert(offsetof(struct spcr, base) == 40, "SPCR layout");

/* DBG2: where the list of devices begins, and in each: */
#define DBG2_DEVICES 36
#define DBG2_LENGTH 1
#define DBG2_TYPE 12 /* and behind it the kind */
#define DBG2_REGISTERS 18 /* offset of the address */
#define DBG2_DEVICE_BYTES 22
#define DBG2_SERIAL 0x8000u

static struct {
	const struct acpi_header *tables[TABLES_MAX];
	u32 nr_tables;
	struct acpi_fadt fadt; /* zero-extended copy; length 0: none */
	const struct acpi_header *dsdt;
} acpi; /* [c] */

/* Map and check the table at `pa`; NULL, after saying why, if it cannot be used. */
static const struct acpi_header *table_map(u64 pa)
{
	const struct acpi_header *h = pa ? mem_map_ro((hpa_t){ pa }, sizeof(*h)) : NULL;
	u32 length = h ? h->length : 0;

	if (length < sizeof(*h) || length > TABLE_BYTES_MAX) {
		log_warn("ACPI: no table at %#llx", (unsigned long long)pa);
		return NULL;
	}
	h = mem_map_ro((hpa_t){ pa }, length);
	if (!h || acpi_sum(h, length)) {
		log_warn("ACPI: table at %#llx is damaged", (unsigned long long)pa);
		return NULL;
	}
	return h;
}

static void root_read(u64 pa, u32 entry_bytes)
{
	const struct acpi_header *root = table_map(pa);
	const u8 *entry, *end;

	if (!root)
		return;
	end = (const u8 *)root + root->length;
	for (entry = (const u8 *)(root + 1); entry + entry_bytes <= end; entry += entry_bytes) {
		const struct acpi_header *table;
		u64 address = 0;

		memcpy(&address, entry, entry_bytes);
		table = table_map(address);
		if (table && acpi.nr_tables < TABLES_MAX)
			acpi.tables[acpi.nr_tables++] = table;
	}
}

const struct acpi_header *acpi_find(const char signature[4])
{
	for (u32 i = 0; i < acpi.nr_tables; i++)
		if (!memcmp(acpi.tables[i]->signature, signature, 4))
			return acpi.tables[i];
	return NULL;
}

void acpi_init(u64 rsdp_pa)
{
	const struct acpi_rsdp *rsdp =
		rsdp_pa ? mem_map_ro((hpa_t){ rsdp_pa }, sizeof(*rsdp)) : NULL;
	const struct acpi_header *fadt;

	memset(&acpi, 0, sizeof(acpi));
	if (!rsdp) {
		log_info("ACPI: none");
		return;
	}
	if (memcmp(rsdp->signature, "RSD PTR ", 8) || acpi_sum(rsdp, RSDP_V1_BYTES)) {
		log_warn("ACPI: the root pointer at %#llx is damaged", (unsigned long long)rsdp_pa);
		return;
	}
	if (rsdp->revision >= 2 && rsdp->xsdt)
		root_read(rsdp->xsdt, sizeof(u64));
	if (!acpi.nr_tables)
		root_read(rsdp->rsdt, sizeof(u32));
	fadt = acpi_find("FACP");
	if (fadt) {
		memcpy(&acpi.fadt, fadt, MIN((size_t)fadt->length, sizeof(acpi.fadt)));
		acpi.dsdt = table_map(acpi.fadt.x_dsdt ? acpi.fadt.x_dsdt : acpi.fadt.dsdt);
	}
	log_info("ACPI: %u tables%s", acpi.nr_tables, acpi.fadt.header.length ? "" : ", no FADT");
}

static u16 io_port(const struct acpi_gas *gas)
{
	return gas->space == ACPI_SPACE_IO && gas->address <= 0xffff ? (u16)gas->address : 0;
}

/* The extended address where there is one, else the old port. */
static u16 port_choose(const struct acpi_gas *extended, u32 port)
{
	if (extended->address)
		return io_port(extended);
	return port <= 0xffff ? (u16)port : 0;
}

u16 acpi_pm_timer_port(void)
{
	return port_choose(&acpi.fadt.x_pm_tmr_blk, acpi.fadt.pm_tmr_blk);
}

/* SPCR and DBG2 number the kinds of 16550 in the same way. */
static bool is_16550(u32 kind)
{
	return kind <= 1 || kind == 0x12;
}

static u32 u16_at(const u8 *p)
{
	return (u32)p[0] | (u32)p[1] << 8;
}

/* The n-th of the 16550 lines in DBG2. */
static bool dbg2_serial(u32 n, struct acpi_gas *out)
{
	const struct acpi_header *table = acpi_find("DBG2");
	u64 length = table ? table->length : 0, at, size;

	if (length < DBG2_DEVICES + 8)
		return false;
	for (at = u16_at((const u8 *)table + DBG2_DEVICES); at + DBG2_DEVICE_BYTES <= length;
	     at += size) {
		const u8 *device = (const u8 *)table + at;
		u32 registers = u16_at(device + DBG2_REGISTERS);

		size = u16_at(device + DBG2_LENGTH);
		if (size < DBG2_DEVICE_BYTES || at + size > length ||
		    registers + sizeof(*out) > size)
			return false;
		memcpy(out, device + registers, sizeof(*out));
		if (u16_at(device + DBG2_TYPE) == DBG2_SERIAL &&
		    is_16550(u16_at(device + DBG2_TYPE + 2)) && !n--)
			return true;
	}
	return false;
}

bool acpi_serial(u32 n, struct acpi_gas *out)
{
	const struct spcr *spcr = (const struct spcr *)acpi_find("SPCR");

	if (!spcr || spcr->header.length < sizeof(*spcr) || !is_16550(spcr->interface) ||
	    !spcr->base.address)
		return dbg2_serial(n, out);
	*out = spcr->base;
	return !n || dbg2_serial(n - 1, out);
}

/* The PM1 registers belong to firmware until it is asked to hand them over. */
static void acpi_mode_enter(u16 pm1a)
{
	u64 deadline = tsc_after_us(ENABLE_WAIT_US);

	if ((in16(pm1a) & PM1_SCI_EN) || !acpi.fadt.smi_cmd || !acpi.fadt.acpi_enable)
		return;
	out8((u16)acpi.fadt.smi_cmd, acpi.fadt.acpi_enable);
	while (!(in16(pm1a) & PM1_SCI_EN) && !tsc_is_past(deadline))
		cpu_pause();
}

static void sleep_write(u16 port, u8 typ)
{
	u32 value = (in16(port) & ~PM1_SLP_TYP_MASK) | (typ & 7u) << PM1_SLP_TYP_SHIFT;

	out16(port, (u16)value);
	out16(port, (u16)(value | PM1_SLP_EN));
}

enum err acpi_poweroff(void)
{
	u16 pm1a = port_choose(&acpi.fadt.x_pm1a_cnt_blk, acpi.fadt.pm1a_cnt_blk);
	u16 pm1b = port_choose(&acpi.fadt.x_pm1b_cnt_blk, acpi.fadt.pm1b_cnt_blk);
	u8 typ_a, typ_b;

	if (!pm1a || !acpi.dsdt ||
	    acpi_s5_find(acpi.dsdt + 1, acpi.dsdt->length - sizeof(*acpi.dsdt), &typ_a, &typ_b))
		return ERR_NOENT;
	acpi_mode_enter(pm1a);
	sleep_write(pm1a, typ_a);
	if (pm1b)
		sleep_write(pm1b, typ_b);
	tsc_wait_us(EFFECT_WAIT_US);
	return ERR_IO;
}

enum err acpi_reset(void)
{
	const struct acpi_gas *reg = &acpi.fadt.reset_reg;

	if (!(acpi.fadt.flags & FADT_RESET_REG_SUP) || !io_port(reg))
		return ERR_NOENT;
	out8(io_port(reg), acpi.fadt.reset_value);
	tsc_wait_us(EFFECT_WAIT_US);
	return ERR_IO;
}
