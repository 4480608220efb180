/* SPDX-License-Identifier: BSD-2-Clause */
/* VMREAD and VMWRITE of the fake CPU: the current VMCS is the one of the vCPU loaded there. */
#ifndef TESTS_HOST_FAKE_VMX_INSN_H
#define TESTS_HOST_FAKE_VMX_INSN_H

#include "../../../../vmx/insn.h"

u64 *fake_vmcs_field(u32 encoding);

#define vmread16(field) ((u16)*fake_vmcs_field(field))
#define vmread32(field) ((u32)*fake_vmcs_field(field))
#define vmread64(field) (*fake_vmcs_field(field))
#define vmreadnat(field) (*fake_vmcs_field(field))
#define vmwrite16(field, value) ((void)(*fake_vmcs_field(field) = (u16)(value)))
#define vmwrite32(field, value) ((void)(*fake_vmcs_field(field) = (u32)(value)))
#define vmwrite64(field, value) ((void)(*fake_vmcs_field(field) = (value)))
#define vmwritenat(field, value) ((void)(*fake_vmcs_field(field) = (value)))

#endif
