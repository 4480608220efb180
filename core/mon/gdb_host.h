/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GDB on Lamina itself, on the same line as core/mon/gdb_target.h: entered by INT3, by an NMI, and
 * at the end of a panic's report. All other CPUs are held meanwhile, and nothing but the line is
 * used: no lock, no log, no timer. GDB's threads are the CPUs.
 */
#ifndef CORE_MON_GDB_HOST_H
#define CORE_MON_GDB_HOST_H

struct serial;

/* Be there for debuggers on `line`, which must last. Boot CPU, once. */
void gdb_host_start(struct serial *line);

#endif
