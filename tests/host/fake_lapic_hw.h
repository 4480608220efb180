/* SPDX-License-Identifier: BSD-2-Clause */
/* The vendors' part of a local APIC for tests of the part without hardware: never called there. */
#ifndef TESTS_HOST_FAKE_LAPIC_HW_H
#define TESTS_HOST_FAKE_LAPIC_HW_H

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "core/hv.h"

#define FAKE_VENDOR(vendor)                                                                        \
	void vendor##_apic_sync(struct vcpu *v)                                                    \
	{                                                                                          \
		(void)v;                                                                           \
		fail_msg("software only");                                                         \
	}                                                                                          \
	void vendor##_apic_notify(struct vcpu *v)                                                  \
	{                                                                                          \
		vendor##_apic_sync(v);                                                             \
	}                                                                                          \
	void vendor##_apic_post(struct vcpu *v, u8 vector)                                         \
	{                                                                                          \
		(void)vector;                                                                      \
		vendor##_apic_sync(v);                                                             \
	}                                                                                          \
	void vendor##_apic_update(struct vcpu *v, enum lapic_view view)                            \
	{                                                                                          \
		(void)view;                                                                        \
		vendor##_apic_sync(v);                                                             \
	}
FAKE_VENDOR(vmx)
FAKE_VENDOR(svm)

#endif
