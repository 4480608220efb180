/* SPDX-License-Identifier: BSD-2-Clause */
#include "arch/x86/pt_host.h"

#include "arch/x86/cpu.h"
#include "arch/x86/lock.h"
#include "arch/x86/percpu.h"
#include "core/lib/log.h"

extern char text_start[], text_end[];
extern char rodata_start[], rodata_end[];
extern char data_start[], data_end[];
extern char boot_stack_guard[];

#define AREA_BYTES GiB(512) /* one PML4 entry */
#define TABLES_LIMIT GiB(4) /* the root goes into a 32-bit CR3 first */

u64 iso_full_root ISO_SHARED; /* [c] CR3 on the full tables, for entry.S; 0 until they are on */
static struct pt host; /* [L:host] */
static struct lock host_lock;
static u64 mmio_next = MMIO_START; /* [L:host] */
static u64 stack_next = STACKS_START; /* [L:host] */

/* The first table is the root. */
static void *table_alloc(void)
{
	return host.root ? page_alloc() : page_alloc_below(TABLES_LIMIT);
}

static const struct pt_mem host_mem = {
	.alloc = table_alloc,
	.free = page_free,
	.store = pt_store,
};

/* Before the tables are in use nothing is stale, and later only empty entries are filled. */
static enum err map(u64 va, hpa_t pa, u64 size_bytes, u64 attr)
{
	bool stale = false;

	return pt_map(&host, va, pa, size_bytes, attr, &stale);
}

static enum err section_map(const char *start, const char *end, u64 attr)
{
	return map((u64)start, va_to_pa(start), (u64)(end - start), attr);
}

static enum err image_map(void)
{
	bool stale = false;
	enum err err = section_map(text_start, text_end, PT_R | PT_X);

	err = err ? err : section_map(rodata_start, rodata_end, PT_R);
	err = err ? err : section_map(data_start, data_end, PT_R | PT_W);
	return err ? err : pt_unmap(&host, (u64)boot_stack_guard, PAGE_SIZE, &stale);
}

static enum err ram_map(const struct mem_range *ranges, u32 nr_ranges)
{
	enum err err = ERR_NONE;

	for (const struct mem_range *r = ranges; !err && r < ranges + nr_ranges; r++)
		if (r->kind != MEM_OTHER)
			err = map((u64)pa_to_va(r->base), r->base, r->size_bytes, PT_R | PT_W);
	return err;
}

enum err pt_host_init(const struct mem_range *ranges, u32 nr_ranges)
{
	enum err err = pt_init(&host, PT_HOST, &host_mem, cpu_has_page1g() ? 3 : 2);

	err = err ? err : image_map();
	err = err ? err : ram_map(ranges, nr_ranges);
	if (err)
		return err;
	iso_full_root = pt_host_root().v;
	pt_host_activate();
	log_info("host page tables: %llu pages, W^X, NX%s%s%s%s%s",
		 (unsigned long long)host.nr_tables, cpu_has_page1g() ? ", 1G pages" : "",
		 cpu_has_smep() ? ", SMEP" : "", cpu_has_smap() ? ", SMAP" : "",
		 cpu_has_umip() ? ", UMIP" : "", cpu_has_pcid() ? ", PCID" : "");
	return ERR_NONE;
}

/*
 * PGE is on although no entry is global: translations must not survive the switch to the isolated
 * tables, and a guest's entry code may rely on CR4 being the same on all CPUs.
 */
static u64 cr4_wanted(void)
{
	return CR4_PAE | CR4_DE | (cpu_has_mce() ? CR4_MCE : 0) | (cpu_has_pge() ? CR4_PGE : 0) |
	       (cpu_has_smep() ? CR4_SMEP : 0) | (cpu_has_smap() ? CR4_SMAP : 0) |
	       (cpu_has_umip() ? CR4_UMIP : 0) | (cpu_has_pcid() ? CR4_PCIDE : 0);
}

void pt_host_activate(void)
{
	u64 keep = read_cr4() & (CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE);

	wrmsr(MSR_EFER, EFER_LME | EFER_LMA | EFER_NXE);
	write_cr0(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG);
	if (cpu_has_pat())
		wrmsr(MSR_PAT, PAT_HOST);
	/* Changing PGE drops every translation of the former owner, global ones too. */
	write_cr4((read_cr4() & ~(CR4_PGE | CR4_PCIDE)) | CR4_PAE);
	write_cr3(pt_host_root().v);
	write_cr4(cr4_wanted() | keep);
}

hpa_t pt_host_root(void)
{
	return pt_root(&host);
}

/* Is any byte of the range in the direct map? */
static bool is_ram(u64 pa, u64 size_bytes)
{
	for (u64 at = pa; at < pa + size_bytes; at += PAGE_SIZE)
		if (pt_lookup(&host, (u64)pa_to_va((hpa_t){ at })).is_present)
			return true;
	return false;
}

/* Map whole pages at the next free address of the MMIO area. Under the lock. */
static void *area_map(hpa_t pa, u64 size_bytes, u64 attr)
{
	u64 base = ALIGN_DOWN(pa.v, PAGE_SIZE);
	u64 bytes = ALIGN_UP(pa.v + size_bytes, PAGE_SIZE) - base;
	u64 va = mmio_next;

	if (!size_bytes || bytes < size_bytes || bytes > MMIO_START + AREA_BYTES - va)
		return NULL;
	if (map(va, (hpa_t){ base }, bytes, attr))
		return NULL;
	mmio_next += bytes;
	return (void *)(va + (pa.v - base));
}

void *mmio_map(hpa_t pa, u64 size_bytes, u64 memtype)
{
	u64 flags = lock_acquire_irqsave(&host_lock);
	void *va = NULL;

	if (!is_ram(ALIGN_DOWN(pa.v, PAGE_SIZE), size_bytes + pa.v % PAGE_SIZE))
		va = area_map(pa, size_bytes, PT_R | PT_W | memtype);
	lock_release_irqrestore(&host_lock, flags);
	return va;
}

const void *mem_map_ro(hpa_t pa, u64 size_bytes)
{
	u64 base = ALIGN_DOWN(pa.v, PAGE_SIZE);
	u64 flags = lock_acquire_irqsave(&host_lock);
	const void *va;

	if (pt_lookup(&host, (u64)pa_to_va((hpa_t){ base })).is_present &&
	    pt_lookup(&host, (u64)pa_to_va((hpa_t){ pa.v + size_bytes - 1 })).is_present)
		va = pa_to_va(pa);
	else
		va = area_map(pa, size_bytes, PT_R);
	lock_release_irqrestore(&host_lock, flags);
	return va;
}

u64 stack_create(u64 size_bytes)
{
	void *memory = page_alloc_contig(size_bytes, PAGE_SIZE, true);
	u64 flags, top;

	if (!memory)
		return 0;
	flags = lock_acquire_irqsave(&host_lock);
	top = stack_next + PAGE_SIZE + size_bytes; /* the first page stays a hole */
	if (map(top - size_bytes, va_to_pa(memory), size_bytes, PT_R | PT_W))
		top = 0;
	else
		stack_next = top;
	lock_release_irqrestore(&host_lock, flags);
	if (!top)
		page_free_contig(memory, size_bytes);
	return top;
}

enum err pt_host_map_identity(hpa_t page)
{
	u64 flags = lock_acquire_irqsave(&host_lock);
	enum err err = map(page.v, page, PAGE_SIZE, PT_R | PT_X);

	lock_release_irqrestore(&host_lock, flags);
	return err;
}

/* Only starting CPUs have used the address; their stale translation is of no use to anyone. */
void pt_host_unmap_identity(hpa_t page)
{
	u64 flags = lock_acquire_irqsave(&host_lock);
	bool stale = false;

	if (!pt_unmap(&host, page.v, PAGE_SIZE, &stale))
		invlpg((const void *)page.v);
	lock_release_irqrestore(&host_lock, flags);
}

struct pt_leaf pt_host_lookup(const void *va)
{
	return pt_lookup(&host, (u64)va);
}
