/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wake.pml: how a vCPU sleeps, is woken and comes back to its CPU (FLG-1, FLG-10, FLG-17).
 *
 * NV vCPUs belong to one CPU. It runs one of them, keeps those that want to run in its private run
 * queue, and halts if there is none. NS senders set requests, ROUNDS times each (0: for ever): they
 * kick a vCPU that is in the guest (kick.pml) and wake one that is parked. A vCPU's run state is a
 * word apart from the guest-mode word. A waker pushes the vCPU on the inbox of its CPU, a list that
 * the CPU only ever takes as a whole, and sends IRQ_WAKE; its handler sets REQ_RESCHED for the vCPU
 * that is loaded there, which may be one whose turn is over. The vCPUs begin OUT and are started by
 * somebody else. Interrupts are off only from CLI to HLT and from the mark to the exit.
 *
 * Properties, while no sender is under way:
 * asleep  no vCPU is parked with a request set, but for REQ_RESCHED;
 * stray   a vCPU that is to run is in the queue, in the inbox or has its turn;
 * halts   the CPU does not halt with its inbox non-empty and no wake-up latched;
 * waits   it is not in guest mode with its inbox non-empty, or with a request of the vCPU set,
 *         and no interrupt latched.
 * Always:
 * twice   no vCPU is queued twice.
 *
 * Wrong: -DLOOKFIRST  parks after the look at the requests
 *        -DSTOREBACK  undoes the parking with a store and not by CAS
 *        -DNOCAS      the waker tests and stores: two of them push
 *        -DIDLELATE   the idle CPU looks at the inbox before CLI
 *        -DNORESCHED  the handler sets no request
 *        -DNOLOOK     the inbox is not looked at again once the vCPU is loaded: IRQ_WAKE may have
 *                     marked the one that was loaded before
 *        -DLOOKEARLY  it is looked at again, but before the loading
 *        -DSTATEFIRST the sender reads the run state before it sets the request
 *        -DNOIPI      the waker sends IRQ_WAKE only if the inbox was empty, and before it pushes
 * Right as well: -DFIRSTIPI  IRQ_WAKE only if the inbox was empty when the vCPU was pushed
 *
 * Not covered: vCPUs that move to another CPU, interrupts posted by hardware (posted.pml),
 * fairness.
 */
#ifndef NV
#define NV 2
#endif
#ifndef NS
#define NS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#if NV > 1
#define OTHERS                  /* who is alone finds nobody in the inbox during its turn */
#endif
#define NONE NV
#define EVENT 1
#define RESCHED 2

mtype = { OUT, LOOP, PARKED };
mtype state[NV] = OUT;          /* run state */
byte req[NV];                   /* requests */
bit g[NV];                      /* in guest; the rest of the word is in kick.pml */
byte next[NV];                  /* link of the inbox */
byte inbox = NONE;              /* its newest */
bit boxed[NV];                  /* stands in the inbox, for the proof */
bit queued[NV];                 /* stands in the run queue */
byte loaded = NONE;             /* this_cpu()->vcpu */
byte turn = NONE;               /* whose turn it is, for the proof */
bit hw, halted, ifl = 1;        /* guest mode, HLT, RFLAGS.IF */
bit twice;                      /* always 0 */
bit wake, kick;                 /* IRQ_WAKE, IRQ_KICK latched */
byte busy;                      /* senders under way */

/* sched_push(): nobody else is pushing v. */
inline push(v) {
	twice = boxed[v] || queued[v];
	assert(!twice);
	do
	:: old = inbox;                                 /* load */
	   next[v] = old;                               /* link */
#ifdef NOIPI
	   if :: old == NONE -> wake = 1 :: else fi;
#endif
	   atomic {                                     /* CAS */
	   	if
	   	:: inbox == old -> inbox = v; boxed[v] = 1; break
	   	:: else
	   	fi
	   }
	od;
#if defined(FIRSTIPI)
	if :: old == NONE -> wake = 1 :: else fi
#elif !defined(NOIPI)
	wake = 1                                        /* send */
#endif
}

/* vcpu_request(), vcpu_wake() */
proctype sender() {
	byte v, old, rounds; bit lg, won; mtype ls;
end:	do
	:: atomic {
		rounds < ROUNDS || ROUNDS == 0;
		busy++;
		if :: v = 0 :: NV > 1 -> v = 1 fi
	   };
#ifdef STATEFIRST
	   ls = state[v];
#endif
	   atomic { req[v] = req[v] | EVENT };          /* LOCK OR */
	   lg = g[v];                                   /* load */
	   if
	   :: lg -> if :: g[v] -> kick = 1 :: else fi   /* mode_kick() */
	   :: else ->
#ifndef STATEFIRST
	      ls = state[v];                            /* load */
#endif
#ifdef NOCAS
	      if :: ls == PARKED -> won = 1; state[v] = LOOP :: else fi;
#else
	      if
	      :: ls == PARKED ->                        /* CAS */
	      	atomic { if :: state[v] == PARKED -> state[v] = LOOP; won = 1 :: else fi }
	      :: else
	      fi;
#endif
	      if :: won -> push(v) :: else fi
	   fi;
	   atomic {
	   	busy--;
	   	v = 0; old = 0; lg = 0; won = 0; ls = 0;
	   	rounds = (ROUNDS == 0 -> 0 : rounds + 1)
	   }
	od
}

/* sched_start() */
proctype starter(byte v) {
	byte old;
	atomic { busy++; state[v] = LOOP };
	push(v);
	atomic { busy--; old = 0 }
}

/* The handlers of IRQ_KICK and IRQ_WAKE: nothing, and resched_request(). */
active proctype interrupts() {
end:	do
	:: atomic { ifl && kick -> kick = 0; halted = 0 }
	:: atomic {
		ifl && wake -> wake = 0; halted = 0;
#ifndef NORESCHED
		if :: loaded != NONE -> req[loaded] = req[loaded] | RESCHED :: else fi
#endif
	   }
	od
}

/* inbox_drain(): XCHG; then the list is this CPU's own, so it is walked in one step. */
inline take() {
	atomic {
		n = inbox;
		inbox = NONE;
		do
		:: n != NONE ->
			twice = queued[n] || turn == n || state[n] != LOOP;
			assert(!twice);
			boxed[n] = 0;
			queued[n] = 1;
			n = next[n]
		:: else -> break
		od
	}
}

inline look() {
	if :: inbox != NONE -> req[v] = req[v] | RESCHED :: else fi
}

/* sched_loop(), vcpu_turn() */
active proctype cpu() {
	byte v = NONE, n = NONE, r;
loop:	take();
	atomic {                                        /* queue_first(), turn() */
		if
		:: queued[0] -> v = 0
		:: NV > 1 && queued[NV - 1] -> v = NV - 1
		:: else -> v = NONE; goto idle
		fi;
		queued[v] = 0;
		turn = v
	};
#ifdef LOOKEARLY
	look();
#endif
	loaded = v;                                     /* vcpu_switch() */
#if defined(OTHERS) && !defined(NOLOOK) && !defined(LOOKEARLY)
	look();
#endif
serve:	atomic { r = req[v]; req[v] = 0 };              /* vcpu_request_take() */
	if
	:: (r & RESCHED) ->                             /* sched_wants_cpu() */
#ifdef OTHERS
		take();
#endif
		if :: goto serve :: goto preempt fi
	:: else ->
		if
		:: goto enter                           /* it runs ... */
		:: !(r & EVENT) -> goto park            /* ... or has nothing to run for */
		fi
	fi;
enter:	ifl = 0;
	g[v] = 1;                                       /* XCHG */
	if :: req[v] != 0 -> goto out :: else fi;       /* test */
	hw = 1;
	if
	:: kick || wake                                 /* exit for an interrupt */
	:: skip                                         /* for something else */
	fi;
	hw = 0;
out:	g[v] = 0;
	ifl = 1;
	goto serve;
preempt:
	atomic { queued[v] = 1; turn = NONE };
	goto loop;
park:                                                   /* vcpu_park() */
#ifdef LOOKFIRST
	r = req[v] & EVENT;
	state[v] = PARKED;
#else
	state[v] = PARKED;                              /* XCHG */
	r = req[v] & EVENT;                             /* look */
#endif
	if
	:: r != 0 ->                                    /* CAS */
#ifdef STOREBACK
		state[v] = LOOP; goto serve
#else
		atomic { if :: state[v] == PARKED -> state[v] = LOOP; goto serve :: else fi }
#endif
	:: else
	fi;
	turn = NONE;                                    /* parked, or in a waker's hands */
	goto loop;
idle:
#ifdef IDLELATE
	if :: inbox != NONE -> goto loop :: else fi;
	ifl = 0;
#else
	ifl = 0;                                        /* CLI */
	if :: inbox != NONE -> ifl = 1; goto loop :: else fi;   /* look */
#endif
	atomic { ifl = 1; halted = 1 };                 /* STI, HLT */
end:	!halted;
	goto loop
}

#define ASLEEP(v) (state[v] == PARKED && (req[v] & EVENT) && turn != v)
#define STRAY(v) (state[v] == LOOP && !boxed[v] && !queued[v] && turn != v)
#define HALTED (halted && inbox != NONE && !wake)
#define WAITS (hw && !kick && !wake && (inbox != NONE || req[turn] != 0))

active proctype monitor() {
	bit asleep, stray, halts, waits;
end:	if
	:: atomic { busy == 0 && (ASLEEP(0) || ASLEEP(NV - 1)) -> asleep = 1; assert(!asleep) }
	:: atomic { busy == 0 && (STRAY(0) || STRAY(NV - 1)) -> stray = 1; assert(!stray) }
	:: atomic { busy == 0 && HALTED -> halts = 1; assert(!halts) }
	:: atomic { busy == 0 && WAITS -> waits = 1; assert(!waits) }
	fi
}

init {
	atomic {
		byte n;
		for (n : 0 .. NV - 1) {
			run starter(n)
		}
		for (n : 1 .. NS) {
			run sender()
		}
	}
}
