/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pause.pml: how a VM is paused and goes on (PAU-9 to PAU-13, PAU-15).
 *
 * One vCPU, or with -DNV=2 two; who pauses does it ROUNDS times, and NC do. A vCPU runs, sleeps
 * until it is interrupted, or is started by somebody while a pause may be under way. Its run state
 * is as in wake.pml, with PAUSED; whoever moves it from PARKED or PAUSED to LOOP pushes it, and its
 * CPU gives it a turn. Kicks reach a vCPU in the guest (kick.pml).
 *
 * Properties:
 * inside  while somebody has a pause, and has seen every vCPU out, none is in the guest or loaded;
 * stuck   when nobody has a pause any more, no vCPU is PAUSED;
 * lost    nor PARKED with an interrupt waiting;
 * twice   no vCPU is pushed twice;
 * and who waits for the vCPUs to be out does not wait for ever (no invalid end state).
 *
 * Wrong: -DASKFIRST  asks before it counts
 *        -DNEWRACE   a vCPU that starts looks at the count before it is seen to run
 *        -DCLRLATE   its request is taken only after the count was seen to be 0
 *        -DNOLOOK    the count is not looked at again once the vCPU is PAUSED
 *        -DNOCAS     who resumes tests and stores
 *        -DNOWAIT    a request sent is taken for a vCPU that is out
 *        -DNOTURN    a vCPU that is woken does not look at the count
 *
 * Not covered: the kick itself, the look at requests before a sleep (wake.pml), time.
 */
#ifndef NV
#define NV 1
#endif
#ifndef NC
#define NC 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif

mtype = { OUT, LOOP, PARKED, PAUSED };
mtype state[NV] = OUT;
byte pauses;                    /* vm->pauses */
byte sure;                      /* who has seen all vCPUs out */
bit req[NV];                    /* REQ_PAUSE */
bit event[NV];                  /* an interrupt waits, and its request */
bit g[NV], loaded[NV], boxed[NV];
bit twice, inside;              /* always 0 */
byte under_way;                 /* those who are at it */

inline push(v) { atomic { twice = boxed[v]; assert(!twice); boxed[v] = 1 } }

/* vcpu_turn(), vcpu_pause() */
proctype cpu(byte v) {
	bit look;
end:	do
	:: atomic { boxed[v] -> boxed[v] = 0; loaded[v] = 1; look = 1;
	};
#if defined(NEWRACE) || defined(NOTURN)
	   look = 0;
#endif
turn:
#ifdef CLRLATE
	   if
	   :: (req[v] || look) ->
	   	if :: pauses > 0 -> req[v] = 0; goto rest :: else -> req[v] = 0 fi
	   :: else
	   fi;
#else
	   atomic { look = look || req[v]; req[v] = 0 };       /* take */
	   if
	   :: look && pauses > 0 -> goto rest                  /* then look */
	   :: else
	   fi;
#endif
	   look = 0;
	   event[v] = 0;
	   if
	   :: g[v] = 1;                                        /* XCHG, then the look */
	      if :: req[v] || event[v] -> g[v] = 0; goto turn :: else fi;
	      inside = (sure > 0);
	      assert(!inside);
endG:	      (req[v] || event[v]);                            /* kicked */
	      g[v] = 0; goto turn
	   :: loaded[v] = 0; state[v] = PARKED;
	      if
	      :: req[v] || event[v] ->
	      	atomic { if :: state[v] == PARKED -> state[v] = LOOP; loaded[v] = 1; goto turn
	      		 :: else fi }
	      :: else
	      fi;
	      goto over
	   fi;
rest:	   loaded[v] = 0; look = 0;
	   state[v] = PAUSED;                                  /* say so */
#ifndef NOLOOK
	   if
	   :: pauses == 0 ->                                   /* then look again */
	   	atomic { if :: state[v] == PAUSED -> state[v] = LOOP; push(v) :: else fi }
	   :: else
	   fi;
#endif
over:	   skip
	od
}

inline request(v) {
	if
	:: g[v]                                                /* a kick */
	:: else ->
	   atomic { if :: state[v] == PARKED -> state[v] = LOOP; push(v) :: else fi }
	fi
}

/* vm_pause(), vm_is_paused(), vm_resume() */
proctype controller() {
	byte i, rounds; mtype s;
	do
	:: rounds < ROUNDS ->
	   rounds++;
#ifdef ASKFIRST
	   i = 0;
	   do :: i < NV -> req[i] = 1; request(i); i++ :: else -> break od;
	   pauses++;
#else
	   pauses++;                                           /* LOCK INC */
	   i = 0;
	   do :: i < NV -> req[i] = 1; request(i); i++ :: else -> break od;
#endif
	   i = 0;
	   do
	   :: i < NV ->
#ifndef NOWAIT
	   	(state[i] == PAUSED || state[i] == OUT);
#endif
	   	i++
	   :: else -> break
	   od;
	   atomic { sure++; i = 0;
	   	do
	   	:: i < NV -> inside = g[i] || loaded[i] && state[i] != LOOP;
	   		assert(!inside); i++
	   	:: else -> break
	   	od };
	   atomic { sure--; i = 0 };
	   atomic { pauses--; s = (pauses == 0 -> LOOP : OUT) };
	   do
	   :: i < NV && s == LOOP ->
#ifdef NOCAS
	   	if :: state[i] == PAUSED -> state[i] = LOOP; push(i) :: else fi;
#else
	   	atomic { if :: state[i] == PAUSED -> state[i] = LOOP; push(i) :: else fi };
#endif
	   	i++
	   :: else -> break
	   od
	:: else -> break
	od;
	under_way--
}

/* sched_start(), and an interrupt later */
proctype world(byte v) {
#ifdef NEWRACE
	(pauses == 0);
#endif
	state[v] = LOOP;
	push(v);
	event[v] = 1;
	request(v);
	under_way--
}

init {
	byte i;
	atomic {
		under_way = NC + NV;
		i = 0;
		do :: i < NV -> run cpu(i); run world(i); i++ :: else -> break od;
		i = 0;
		do :: i < NC -> run controller(); i++ :: else -> break od
	};
}

#define QUIET (under_way == 0)

/* When nobody is under way and nothing moves any more. */
active proctype monitor() {
	bit stuck, lost;
end:	atomic {
		timeout ->
		stuck = (QUIET && state[0] == PAUSED);
		lost = (QUIET && state[0] == PARKED && event[0]);
		assert(!stuck);
		assert(!lost)
	}
}
