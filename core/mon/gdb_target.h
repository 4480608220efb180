/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GDB on a VM, over a serial line that is polled from the boot CPU's timer: GDB's process N is VM
 * N - 1, its threads are the vCPUs. All of a VM's vCPUs stop together; other VMs go on.
 */
#ifndef CORE_MON_GDB_TARGET_H
#define CORE_MON_GDB_TARGET_H

struct serial;

/* Wait for a debugger on `line`, which must last. Boot CPU, once, after the VMs were created. */
void gdb_target_start(struct serial *line);

/* Begin a new conversation: after another one on that line. */
void gdb_target_listen(void);

#endif
