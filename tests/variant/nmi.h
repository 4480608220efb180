/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports by which a guest commands the core of nmi.c:
 *
 *   0x20c0  write: 1 begins, 0 ends, 2 begins once more with a handler (VMX) that spoils a
 *           register, which must be noticed; read: positions tried
 *   0x20c4  read: failures;  0x20d0, 0x20d4: where the first was, low and high
 *   0x20c8  write: choose a word of the map of positions, a bit per byte of isolated text; read: it
 *   0x20cc  read: how many words
 *   0x20d8  read: NMIs taken
 *   0x20dc  read: NMIs sent that nobody has taken
 */
#ifndef TESTS_VARIANT_NMI_H
#define TESTS_VARIANT_NMI_H

#define PORT_ARM 0x20c0
#define PORT_FAILURES 0x20c4
#define PORT_WORD 0x20c8
#define PORT_WORDS 0x20cc
#define PORT_WHERE 0x20d0
#define PORT_WHERE_HIGH 0x20d4
#define PORT_TAKEN 0x20d8
#define PORT_LOST 0x20dc

#endif
