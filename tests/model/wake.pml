/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wake.pml: how a vCPU sleeps, is woken and comes back to its CPU (FLG-1, FLG-10, FLG-17).
 *
 * NV vCPUs belong to one CPU. It runs one of them, keeps those that want to run in its private run
 * queue, and halts if there is none. NS senders set requests, ROUNDS times each (0: for ever): they
 * kick a vCPU that is in the guest (kick.pml) and wake one that is parked. A vCPU's run state is a
 * word apart from the guest-mode word. A waker pushes the vCPU on the inbox of its CPU, a list that
 * the CPU only ever takes as a whole, and sends IRQ_WAKE; its handler sets REQ_RESCHED for the vCPU
 * that is loaded there. The vCPUs begin OUT and are started by somebody else.
 *
 * Properties, while no sender is under way:
 * asleep  no vCPU is parked with a request set;
 * stray   a vCPU that is to run is in the queue, in the inbox or loaded;
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
 *        -DOPENPICK   interrupts are on between the look at the inbox and the loading
 *        -DOPENPARK   interrupts are on between the parking and the unloading
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
bit hw, halted, ifl = 1;        /* guest mode, HLT, RFLAGS.IF */
bit twice;                      /* always 0 */
bit wake, kick;                 /* IRQ_WAKE, IRQ_KICK latched */
byte busy;                      /* senders under way */

/* vcpu_wake(), its end: nobody else is pushing v. */
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

/* Power on: the same as waking, from another state. */
proctype starter(byte v) {
	byte old;
	atomic { busy++; state[v] = LOOP };             /* CAS */
	push(v);
	atomic { busy--; old = 0 }
}

/* The handlers of IRQ_KICK and IRQ_WAKE. */
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

/* XCHG of the inbox; then the list is this CPU's own, so it is walked in one step. */
inline take() {
	atomic {
		v = inbox;
		inbox = NONE;
		do
		:: v != NONE ->
			twice = queued[v] || loaded == v || state[v] != LOOP;
			assert(!twice);
			boxed[v] = 0;
			queued[v] = 1;
			v = next[v]
		:: else -> break
		od
	}
}

active proctype cpu() {
	byte v = NONE; byte r;
pick:	/* Interrupts stay off until the choice is loaded. */
#ifndef OPENPICK
	ifl = 0;
#endif
	take();
	atomic {
		if
		:: queued[0] -> v = 0
		:: NV > 1 && queued[NV - 1] -> v = NV - 1
		:: else -> v = NONE; goto idle
		fi;
		queued[v] = 0;
		loaded = v
	};
	ifl = 1;
serve:	/* vcpu_request_take() */
	atomic { r = req[v]; req[v] = 0 };
	if
	:: (r & RESCHED) -> goto preempt
	:: else ->
		if
		:: goto enter                           /* it runs ... */
		:: !(r & EVENT) -> goto park            /* ... or has nothing to run for */
		:: goto preempt                         /* its time is over */
		fi
	fi;
enter:	/* Off until the exit. */
	ifl = 0;
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
	ifl = 0;
	atomic { queued[v] = 1; loaded = NONE };
	goto pick;
park:	/* Off until nobody is loaded: the handler must not mark a vCPU that has parked. */
#ifndef OPENPARK
	ifl = 0;
#endif
#ifdef LOOKFIRST
	r = req[v];
	state[v] = PARKED;
#else
	state[v] = PARKED;                              /* XCHG */
	r = req[v];                                     /* look */
#endif
	if
	:: r != 0 ->                                    /* CAS */
#ifdef STOREBACK
		state[v] = LOOP; ifl = 1; goto serve
#else
		atomic {
			if
			:: state[v] == PARKED -> state[v] = LOOP; ifl = 1; goto serve
			:: else
			fi
		}
#endif
	:: else
	fi;
	loaded = NONE;                                  /* parked, or in a waker's hands */
	goto pick;
idle:
#ifdef IDLELATE
	ifl = 1;
	if :: inbox != NONE -> goto pick :: else fi;
	ifl = 0;
#else
	ifl = 1;
	ifl = 0;                                        /* CLI */
	if :: inbox != NONE -> goto pick :: else fi;    /* look */
#endif
	atomic { ifl = 1; halted = 1 };                 /* STI, HLT */
end:	!halted;
	goto pick
}

#define ASLEEP(v) (state[v] == PARKED && req[v] != 0 && loaded != v)
#define STRAY(v) (state[v] == LOOP && !boxed[v] && !queued[v] && loaded != v)
#define HALTED (halted && inbox != NONE && !wake)
#define WAITS (hw && !kick && !wake && (inbox != NONE || req[loaded] != 0))

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
