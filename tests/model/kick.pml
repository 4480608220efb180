/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kick.pml: the guest-mode word and the kick (FLG-2, FLG-5, FLG-6, FLG-7, FLG-9).
 *
 * NV vCPUs share NC CPUs: each takes a free one, enters, leaves for an interrupt or for something
 * else, and may move. NS senders kick them, ROUNDS times each (0: for ever). x86-TSO: one-entry
 * store buffers for what the CPU of the vCPU stores plainly; senders use locked operations only.
 *
 * Property "lost": while no sender is under way, no CPU sits in guest mode with a request of its
 * vCPU set and no interrupt latched. So a kick that reaches a CPU where the vCPU is no more, or
 * where another one is in the guest by then, costs that one an exit and nothing else.
 *
 * Right: one XCHG of {in guest, kicked, epoch, CPU}, then the test of the requests.
 * Wrong: -DPLAIN   the mark is a MOV, no fence
 *        -DLATE    the requests are tested before the mark
 *        -DSPLIT   "kicked" stands apart from the word, cleared on the way out
 *        -DPERCPU  "kicked" belongs to the CPU and not to the vCPU, cleared on the way out
 *        -DSTALE   the kick goes to a CPU that was read before the request was set
 *        -DNOTEST  the requests are not tested after the mark
 *
 * Not covered: interrupts (posted.pml, avic.pml), vCPUs that sleep (wake.pml), an epoch that comes
 * round, NMI between test and entry (FLG-16).
 */
#ifndef NV
#define NV 2
#endif
#ifndef NC
#define NC 2
#endif
#ifndef NS
#define NS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif

/* struct vcpu_hot, and what only the proof needs */
typedef hot {
	byte req;               /* requests */
	bit g, pend, pcpu;      /* mode: in guest, MODE_KICKED, APIC ID ... */
	byte ep;                /* ... and epoch, modulo 3 */
	bit spend;              /* SPLIT */
	bit enters;             /* PLAIN: a store buffer holds g = 1 */
	bit leaves;             /* a store buffer holds g = 0 */
	bit on;                 /* the CPU it is on ... */
	bit hw                  /* ... which really is in guest mode */
};
hot h[NV];
bit taken[2];                   /* the CPU has a vCPU loaded */
bit ipi[2];                     /* IRQ_KICK is latched in its local APIC */
bit cpend[2];                   /* PERCPU */
byte busy;                      /* senders under way */

inline mark() {
	h[v].g = 1;
	h[v].pend = 0;
	h[v].pcpu = h[v].on;
	h[v].ep = (h[v].ep + 1) % 3;
	h[v].enters = 0;
	h[v].leaves = 0
}

/* Any locked operation of this CPU, and the way of the vCPU to another one. */
inline drain() {
	if :: h[v].leaves -> h[v].leaves = 0; h[v].g = 0 :: else fi
}

proctype store_buffer(byte v) {
end:	do :: atomic { h[v].leaves -> drain() } od
}

proctype vcpu(byte v) {
end_unloaded:
	if
	:: atomic { !taken[0] -> taken[0] = 1; h[v].on = 0 }
#if NC > 1
	:: atomic { !taken[1] -> taken[1] = 1; h[v].on = 1 }
#endif
	fi;
again:
	/* vcpu_request_take() */
	atomic { h[v].spend = 0; cpend[h[v].on] = 0; h[v].req = 0 };
	/* Interrupts are on in the run loop: a late kick ends here, or stays latched. */
	if :: ipi[h[v].on] = 0 :: skip fi;
#ifdef LATE
	if :: h[v].req != 0 -> goto again :: else fi;
#endif
	/* vmx_stay, svm_stay: XCHG */
#ifdef PLAIN
	atomic { drain(); h[v].enters = 1 };
#else
	atomic { mark() };
#endif
	/* vmx_stay, svm_stay: test */
#ifndef LATE
#ifndef NOTEST
	if
	:: h[v].req != 0 ->             /* abandon */
		atomic { h[v].g = 0; h[v].enters = 0 };
		goto again
	:: else
	fi;
#endif
#endif
	/* vmx_stay, svm_stay: entry; interrupts have been off since the mark. */
	h[v].hw = 1;
	do
#ifdef PLAIN
	:: atomic { h[v].enters -> mark() }
#endif
	:: ipi[h[v].on] -> break        /* exit for an interrupt: it stays latched */
	:: break                        /* exit for something else */
	od;
	/* vmx_exit, svm_stay: first store, a plain one */
	atomic { h[v].hw = 0; h[v].leaves = 1; h[v].enters = 0 };
	if
	:: goto again
	:: skip
	fi;
	atomic { drain(); taken[h[v].on] = 0 };
	goto end_unloaded
}

/* vcpu_request(), mode_kick() */
proctype sender() {
	byte v, le, rounds; bit lg, lp, lc, won;
end:	do
	:: atomic { rounds < ROUNDS || ROUNDS == 0; busy++; if :: v = 0 :: NV > 1 -> v = 1 fi };
#ifdef STALE
	   lc = h[v].on;
#endif
	   atomic { h[v].req = h[v].req | 1 };          /* LOCK OR */
	   /* load */
	   atomic { lg = h[v].g && !h[v].pend; le = h[v].ep; lp = h[v].pcpu };
#if defined(SPLIT)
	   if :: lg -> atomic { won = !h[v].spend; h[v].spend = 1 } :: else fi;
#elif defined(PERCPU)
	   if :: lg -> atomic { won = !cpend[lp]; cpend[lp] = 1 } :: else fi;
#else
	   if
	   :: lg ->                                     /* CAS */
	      atomic {
	      	if
	      	:: h[v].g && !h[v].pend && h[v].ep == le && h[v].pcpu == lp ->
	      		h[v].pend = 1;
	      		won = 1
	      	:: else                         /* kicked already, or a later entry will look */
	      	fi
	      }
	   :: else
	   fi;
#endif
#ifdef STALE
	   lp = lc;
#endif
	   if :: won -> ipi[lp] = 1 :: else fi;         /* send, interrupts off since CAS */
	   atomic {
	   	busy--;
	   	v = 0; le = 0; lg = 0; lp = 0; lc = 0; won = 0;
	   	rounds = (ROUNDS == 0 -> 0 : rounds + 1)
	   }
	od
}

#define LOST(v) (h[v].hw && h[v].req != 0 && !h[v].enters && !ipi[h[v].on])

active proctype monitor() {
	bit lost;
end:	atomic { busy == 0 && (LOST(0) || LOST(NV - 1)) -> lost = 1; assert(!lost) }
}

init {
	atomic {
		byte n;
		for (n : 0 .. NV - 1) {
			run vcpu(n);
			run store_buffer(n)
		}
		for (n : 1 .. NS) {
			run sender()
		}
	}
}
