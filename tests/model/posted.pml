/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * posted.pml: posted interrupts on VMX (FLG-2, FLG-10, NAP-13).
 *
 * One vCPU on two CPUs, NS senders with one vector each. A sender is, freely chosen, software
 * (vmx_apic_post()) or hardware (a device or IPI virtualization: PIR, then ON, NV and NDST of the
 * descriptor in one atomic step). The vCPU synchronizes by hand, enters, is preempted, moves,
 * blocks with NV = WAKE, is woken from the wake-up list of a CPU. A notification to a CPU that does
 * not hold the vCPU is lost; one that is latched is eaten by the run loop, where interrupts are on.
 * SN stays 0: entry looks at ON.
 *
 * Property "lost": with all senders done, PIR is never non-empty while the CPU is in guest mode
 * with no notification latched, or while the vCPU sleeps and nothing is on its way to wake it.
 *
 * Wrong: -DPIRFIRST   the sync by hand reads PIR before it clears ON
 *        -DNORECHECK  ON is not tested after the mark
 *        -DNOBLKCHK   NV is switched to WAKE without testing ON again
 *        -DNDSTLATE   NDST is written after NV and after the tests of ON
 *        -DWORDFIRST  the sender reads the guest-mode word before it sets PIR
 *        -DLISTLATE   put on the wake-up list only after the test of ON
 *        -DPARKLATE   the run state becomes PARKED only after the test of ON
 * Right as well: -DNDSTSPLIT  NV, then NDST in a second store, both before the fence and the tests:
 *        their order is free, only "before the test" counts.
 *
 * Not covered: two descriptors (nested guests), weak memory (every store that matters is a locked
 * operation), vectors with priorities, IF and TPR; the way from "wake" to the CPU is in wake.pml.
 */
#ifndef NS
#define NS 2
#endif
#define NV01 0
#define WAKE 1

byte pir; bit on, nv, ndst;      /* the posted-interrupt descriptor              */
bit g, gcpu;                     /* the in-guest word, changed by XCHG           */
bit parked, wake;                /* run state PARKED (HLT); wake-up request      */
bit list[2];                     /* stands on the wake-up list of CPU p         */
bit cpu;                         /* the CPU that the vCPU is on                 */
bit hw, pi;                      /* guest mode; posted processing is under way   */
bit inv[2], iwk[2], wbusy[2];    /* NV, WAKE latched in CPU p; handler running  */
bit pend;                        /* vIRR non-empty, not yet seen by the guest    */
bit asleep;
byte fin;

inline send_nv(p) {              /* a stray on any other CPU: EOI, count        */
    atomic { if :: cpu == p -> inv[p] = 1 :: else fi }
}

/* Software: vmx_apic_post(). */
proctype sender(byte b) {
    bit old, lg, lc, lnv, ld, act;
    if
    :: skip;                                        /* software                  */
#ifdef WORDFIRST
       atomic { lg = g; lc = gcpu };
#endif
       atomic { pir = pir | b };                    /* LOCK BTS PIR              */
       atomic { old = on; on = 1 };                 /* LOCK BTS ON               */
       if
       :: !old ->
#ifndef WORDFIRST
          atomic { lg = g; lc = gcpu };
#endif
          if
          :: lg -> send_nv(lc)
          :: else -> if :: parked -> wake = 1 :: else fi
          fi
       :: else
       fi
    :: skip;                                        /* hardware                  */
       atomic { pir = pir | b };
       atomic { if :: !on -> on = 1; lnv = nv; ld = ndst; act = 1 :: else fi };
       if
       :: act && lnv == NV01 -> send_nv(ld)
       :: act && lnv == WAKE -> iwk[ld] = 1
       :: else
       fi
    fi;
    atomic { fin++; old = 0; lg = 0; lc = 0; lnv = 0; ld = 0; act = 0 }   /* fewer states */
}

proctype wake_handler(bit p) {   /* the WAKE vector on CPU p                    */
    bit l;
endw: do
    :: atomic { iwk[p] -> iwk[p] = 0; wbusy[p] = 1; l = list[p] };
       atomic { if :: l && on -> wake = 1 :: else fi; wbusy[p] = 0; l = 0 }
    od
}

active proctype vcpu() {
LOAD:                                               /* vmx_apic_load()           */
    atomic { if :: cpu = 0 :: cpu = 1 fi; inv[0] = 0; inv[1] = 0 };
#ifdef NDSTLATE
    atomic { nv = NV01 };
#else
#ifdef NDSTSPLIT
    atomic { nv = NV01 };
    ndst = cpu;
#else
    atomic { nv = NV01; ndst = cpu };               /* one CMPXCHG               */
#endif
#endif
LOOP:
    inv[cpu] = 0;                                   /* IF=1: strays are eaten    */
    if                                              /* vmx_apic_sync()           */
    :: on ->
#ifdef PIRFIRST
       atomic { if :: pir != 0 -> pend = 1; pir = 0 :: else fi };
       on = 0
#else
       on = 0;                                      /* LOCK BTR ON               */
       atomic { if :: pir != 0 -> pend = 1; pir = 0 :: else fi }     /* XCHG     */
#endif
    :: else
    fi;
    if
    :: goto ENTER
    :: goto PREEMPT
    :: !pend -> goto BLOCK                          /* the guest executed HLT    */
    fi;
ENTER:
    atomic { g = 1; gcpu = cpu };                   /* vmx_stay: XCHG           */
#ifndef NORECHECK
    if :: on -> g = 0; goto LOOP :: else fi;        /* test ON                   */
#endif
#ifdef NDSTLATE
    ndst = cpu;
#endif
    atomic { hw = 1; pend = 0 };                    /* VM entry                  */
    do
    :: atomic { inv[cpu] -> inv[cpu] = 0; on = 0; pi = 1 };  /* steps 1 to 4     */
       atomic { pir = 0; pi = 0 }                            /* steps 5 to 7     */
    :: break                                        /* any VM exit               */
    od;
    hw = 0;
    g = 0;                                          /* vmx_exit: first store     */
    goto LOOP;
PREEMPT:                                            /* vmx_vcpu_unload()         */
    goto LOAD;
BLOCK:
    wake = 0;
#ifndef PARKLATE
    parked = 1;                                     /* XCHG                      */
#endif
#ifndef LISTLATE
    list[cpu] = 1;                                  /* vmx_apic_block()          */
#endif
    nv = WAKE;                                      /* CMPXCHG                   */
#ifndef NOBLKCHK
    if :: on -> goto UNBLOCK :: else fi;
#endif
#ifdef LISTLATE
    list[cpu] = 1;
#endif
#ifdef PARKLATE
    parked = 1;
#endif
#ifdef NDSTLATE
    ndst = cpu;
#endif
    asleep = 1;
    if :: wake :: skip fi;                          /* skip: some other request  */
    asleep = 0;
UNBLOCK:
    parked = 0;
    list[cpu] = 0;
    goto LOAD
}

active proctype monitor() {
    bit lost;
endm: atomic {
        fin == NS && pir != 0 && !pi &&
        ((hw && !inv[cpu]) ||
         (asleep && !wake && !iwk[0] && !iwk[1] && !wbusy[0] && !wbusy[1]))
        -> lost = 1; assert(!lost) }
}

init { atomic {
    run wake_handler(0); run wake_handler(1);
    run sender(1); run sender(2);
#if NS > 2
    run sender(4)
#endif
} }
