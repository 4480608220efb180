/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * avic.pml: AVIC's sends and receives, inhibition (FLG-2, FLG-10, NAP-4, NAP-5, NAP-15).
 *
 * One target vCPU on two CPUs, NS senders with one vector each, one CPU that inhibits AVIC and
 * allows it again, ROUNDS times. A sender is, freely chosen, AVIC hardware (IRR set, then the table
 * entry read, then the doorbell; or the incomplete-IPI exit, which goes on as software in
 * lapic_hw_ipi_finish()) or software (svm_apic_post()). The target enters and leaves the guest, is
 * unloaded, moves, blocks. A doorbell works only on a CPU that is in guest mode with AVIC on,
 * anywhere else it is lost. IRR is evaluated at VMRUN.
 *
 * Property "lost": with all senders done and no inhibition half made, IRR is never non-empty while
 * the CPU is in guest mode with no doorbell, kick or request pending, or while the vCPU sleeps and
 * nothing wakes it.
 *
 * Inhibition: `live` falls, is_running falls, the VMCB's AVIC goes off, then the look at IRR.
 *
 * Wrong: -DBLKLATE    blocking: is_running cleared after the look at IRR
 *        -DNORUN      inhibition leaves is_running set
 *        -DNOSCAN     no look at IRR after inhibition
 *        -DNOFENCE    inhibition: the look before `live` and is_running have left the store buffer
 *        -DNOFENCE -DLIVEFIRST   the same, and `live` read before the word
 *        -DLIVEEARLY  `live` read before IRR is set
 *        -DSTALEID    doorbell by software to a CPU read before IRR was set
 *        -DTABLEID    the table keeps the host APIC ID of the previous CPU
 *        -DNAP5       the entry asserts that the VMCB agrees with the mask: a false alarm
 * Right as well: -DLIVEFIRST  `live` read before the word, fence kept: the fence and the look carry
 *        the proof, not the order of the two loads.
 *
 * Not covered: nested guests, IOMMU, several targets of one IPI, IPIs other than Fixed, the
 * coalescing of kicks (kick.pml), the way from "wake" to the CPU (wake.pml), TPR and IF.
 */
#ifndef NS
#define NS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define EVENT 1
#define APICV 2

byte irr;                        /* in the register page                         */
bit isrun = 1, hostid;           /* the physical APIC ID table's entry           */
bit live = 1;                    /* hot->apic_live: a doorbell reaches the APIC  */
bit sb;                          /* a store buffer holds live = 0, isrun = 0     */
bit von = 1;                     /* the VMCB has AVIC on                         */
bit mask;                        /* inhibit mask of the VM                       */
byte req;                        /* EVENT, APICV                                 */
bit g, gcpu;                     /* the in-guest word                            */
bit parked, wake, asleep;
bit cpu, hw;                     /* CPU; in guest mode                           */
bit db, ipi[2];                  /* doorbell arrived in guest mode; kick latched */
bit half;                        /* an inhibition is half made                   */
byte fin;

inline doorbell(p) { atomic { if :: hw && cpu == p -> db = 1 :: else fi } }
inline read_word(w, c) { atomic { w = g; c = gcpu } }   /* gcpu is 0 while g is 0 */
/* vcpu_request() */
inline request(bits, w, c) {
    atomic { req = req | bits };                    /* LOCK OR                   */
    read_word(w, c);
    if
    :: w -> ipi[c] = 1
    :: else -> if :: parked -> wake = 1 :: else fi
    fi
}

/* Software: svm_apic_post(). */
proctype sender(byte b) {
    bit w, c, l, ir, id;
    if
    :: skip;                                        /* AVIC hardware             */
       atomic { irr = irr | b };
       atomic { ir = isrun; id = hostid };
       if
       :: ir -> doorbell(id); goto DONE
       :: else                                      /* exit 401h, ID 1           */
       fi
    :: skip;                                        /* software                  */
#ifdef STALEID
       id = gcpu;
#endif
#ifdef LIVEEARLY
       l = live;
#endif
       atomic { irr = irr | b }
    fi;
#ifdef LIVEFIRST
    l = live;
#endif
    read_word(w, c);
#ifdef STALEID
    c = id;
#endif
#ifndef LIVEFIRST
#ifndef LIVEEARLY
    l = live;
#endif
#endif
    if
    :: !l -> request(EVENT, w, c)
    :: l && w -> doorbell(c)
    :: else -> if :: parked -> wake = 1 :: else fi  /* else VMRUN evaluates IRR  */
    fi;
DONE:
    atomic { fin++; w = 0; c = 0; l = 0; ir = 0; id = 0 }       /* fewer states */
}

/* lapic_hw_inhibit() */
proctype inhibitor() {
    bit w, c; byte n;
    do
    :: n < ROUNDS ->
       atomic { half = 1; mask = 1 };  request(APICV, w, c); atomic { half = 0; w = 0; c = 0 };
       atomic { half = 1; mask = 0 };  request(APICV, w, c); atomic { half = 0; w = 0; c = 0 };
       n++
    :: else -> break
    od
}

inline flush() {
    isrun = (sb -> 0 : isrun);
    live = (sb -> 0 : live);
    sb = 0
}

#ifdef NOFENCE
proctype drain() {               /* the store buffer empties at any time         */
endd: do :: atomic { sb -> flush() } od
}
#endif

active proctype target() {
    byte r; bit ev;
#ifdef NAP5
    bit agrees;
#endif
LOAD:                                               /* svm_apic_load()           */
    atomic { if :: cpu = 0 :: cpu = 1 fi; ipi[0] = 0; ipi[1] = 0 };
#ifdef TABLEID
    atomic { flush(); isrun = von };
#else
    atomic { flush(); isrun = von; hostid = cpu };
#endif
LOOP:
    ipi[cpu] = 0;                                   /* IF=1: strays are eaten    */
    atomic { r = req; req = 0; flush() };    /* XCHG     */
    ev = ((r & EVENT) != 0);
    if                                              /* lapic_hw_update()         */
    :: (r & APICV) && mask && von ->                /* off: first `live`         */
#ifdef NOFENCE
       sb = 1;                                      /* plain stores, no fence    */
#else
       live = 0;                                    /* XCHG                      */
#endif
#if !defined(NORUN) && !defined(NOFENCE)
       isrun = 0;                                   /* locked                    */
#endif
       von = 0;
#ifndef NOSCAN
       ev = 1
#endif
    :: (r & APICV) && !mask && !von ->              /* on                        */
       von = 1;
       isrun = 1;
       live = 1                                     /* last                      */
    :: else
    fi;
    if                                              /* the look                  */
    :: ev && irr != 0 && !von -> irr = 0            /* injected by software      */
    :: else
    fi;
ENTER:
    /* svm_stay: XCHG, test */
    atomic { g = 1; gcpu = cpu; flush() };
    if :: req != 0 -> atomic { g = 0; gcpu = 0; r = 0; ev = 0 }; goto LOOP :: else fi;
#ifdef NAP5
    agrees = von != mask;
    assert(agrees);
#endif
    atomic { hw = 1; db = 0; r = 0; ev = 0;         /* VMRUN evaluates IRR       */
             if :: von -> irr = 0 :: else fi };
    do
    :: atomic { db -> db = 0; if :: von -> irr = 0 :: else fi }
    :: ipi[cpu] -> break
    :: break                                        /* any other #VMEXIT         */
    od;
    atomic { hw = 0; db = 0 };
    atomic { g = 0; gcpu = 0 };                     /* svm_stay: first store    */
    if
    :: goto LOOP
    :: goto PREEMPT
    :: goto BLOCK
    fi;
PREEMPT:                                            /* svm_vcpu_unload()         */
    isrun = 0;                                      /* locked                    */
    goto LOAD;
BLOCK:
    wake = 0;
    parked = 1;                                     /* XCHG                      */
#ifndef BLKLATE
    isrun = 0;                                      /* svm_apic_block(): locked  */
#endif
    if :: irr != 0 || req != 0 -> goto UNBLOCK :: else fi;
#ifdef BLKLATE
    isrun = 0;
#endif
    asleep = 1;
    if :: wake :: skip fi;
UNBLOCK:
    atomic { parked = 0; wake = 0; asleep = 0 };
    atomic { req = req | EVENT };                   /* LOCK OR, scan when awake  */
    goto LOAD
}

active proctype monitor() {
    bit lost;
endm: atomic {
        fin == NS && irr != 0 && !half &&
        ((hw && !db && !ipi[cpu] && req == 0) || (asleep && !wake))
        -> lost = 1; assert(!lost) }
}

init { atomic {
#ifdef NOFENCE
    run drain();
#endif
#if ROUNDS > 0
    run inhibitor();
#endif
    run sender(1);
#if NS == 2
    run sender(2)
#endif
} }
