/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Load for a Linux guest on CPUs 0 and 1: "load SECONDS". Three pairs of processes, one of each
 * on either CPU, throw a sequence number to and fro through pipes (a wake-up IPI each way); one
 * process per CPU sleeps 1 ms at a time (timer interrupts); one per CPU has the other CPU
 * interrupted (membarrier). A number that comes twice, or a process that makes no way in a fifth
 * of the time, is an error. Without a C library: it goes into the initrd.
 */
typedef unsigned long u64;
typedef long s64;

#define NR_read 0
#define NR_write 1
#define NR_mmap 9
#define NR_pipe 22
#define NR_nanosleep 35
#define NR_fork 57
#define NR_exit 60
#define NR_kill 62
#define NR_sched_setaffinity 203
#define NR_clock_gettime 228
#define NR_membarrier 324

#define CLOCK_MONOTONIC 1
#define SIGKILL 9
#define MEMBARRIER_GLOBAL_EXPEDITED 2
#define MEMBARRIER_REGISTER_GLOBAL_EXPEDITED 4

#define PAIRS 3
#define NR_PROCESSES (2 * PAIRS + 4)
#define SLICES 5

struct timespec {
	s64 sec, nsec;
};

/* Shared by all: how far each process is, and what went wrong. */
struct state {
	volatile u64 count[NR_PROCESSES];
	volatile u64 disorder;
};

static s64 call(s64 nr, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f)
{
	register u64 r10 __asm__("r10") = d;
	register u64 r8 __asm__("r8") = e;
	register u64 r9 __asm__("r9") = f;
	s64 result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#define call3(nr, a, b, c) call(nr, (u64)(a), (u64)(b), (u64)(c), 0, 0, 0)

static void text_print(const char *text)
{
	u64 n = 0;

	while (text[n])
		n++;
	call3(NR_write, 1, text, n);
}

static void number_print(const char *name, u64 value)
{
	char digits[24];
	char *p = digits + sizeof(digits);

	*--p = '\0';
	do
		*--p = (char)('0' + value % 10);
	while (value /= 10);
	text_print(name);
	text_print(p);
}

static void die(const char *why)
{
	text_print("load: FAILED: ");
	text_print(why);
	text_print("\n");
	call3(NR_kill, 0, SIGKILL, 0);
	call3(NR_exit, 1, 0, 0);
}

static void sleep_ns(u64 ns)
{
	struct timespec t = { (s64)(ns / 1000000000), (s64)(ns % 1000000000) };

	call3(NR_nanosleep, &t, 0, 0);
}

static void pingpong(struct state *s, u64 me, int in, int out, u64 number)
{
	u64 got;

	for (;; number++) {
		if (call3(NR_write, out, &number, sizeof(number)) != sizeof(number) ||
		    call3(NR_read, in, &got, sizeof(got)) != sizeof(got) || got != number)
			s->disorder++;
		s->count[me]++;
	}
}

/* The other side: gives back what it gets, which has to be the next number. */
static void echo(struct state *s, u64 me, int in, int out)
{
	u64 got, expected = 0;

	for (;; expected++) {
		if (call3(NR_read, in, &got, sizeof(got)) != sizeof(got) || got != expected)
			s->disorder++;
		call3(NR_write, out, &got, sizeof(got));
		s->count[me]++;
	}
}

static void barriers(struct state *s, u64 me)
{
	if (call3(NR_membarrier, MEMBARRIER_REGISTER_GLOBAL_EXPEDITED, 0, 0))
		s->disorder++;
	for (;;) {
		if (call3(NR_membarrier, MEMBARRIER_GLOBAL_EXPEDITED, 0, 0))
			s->disorder++;
		s->count[me]++;
		if (s->count[me] % 64 == 0)
			sleep_ns(1000000);
	}
}

static void sleeps(struct state *s, u64 me)
{
	for (;; s->count[me]++)
		sleep_ns(1000000);
}

/* True in the child, which runs on CPU `cpu` only from here on. */
static int start(u64 cpu, s64 *pid)
{
	u64 mask = 1ul << cpu;

	*pid = call3(NR_fork, 0, 0, 0);
	if (*pid < 0)
		die("fork");
	if (!*pid && call3(NR_sched_setaffinity, 0, sizeof(mask), &mask) < 0)
		die("this takes two CPUs");
	return !*pid;
}

static void pair_start(struct state *s, u64 pair, s64 *pids)
{
	u64 me = 2 * pair;
	int there[2], back[2];

	if (call3(NR_pipe, there, 0, 0) || call3(NR_pipe, back, 0, 0))
		die("pipe");
	if (start(pair & 1, &pids[me]))
		pingpong(s, me, back[0], there[1], 0);
	if (start(!(pair & 1), &pids[me + 1]))
		echo(s, me + 1, there[0], back[1]);
}

static void all_start(struct state *s, s64 *pids)
{
	for (u64 i = 0; i < PAIRS; i++)
		pair_start(s, i, pids);
	for (u64 cpu = 0; cpu < 2; cpu++) {
		if (start(cpu, &pids[2 * PAIRS + cpu]))
			sleeps(s, 2 * PAIRS + cpu);
		if (start(cpu, &pids[2 * PAIRS + 2 + cpu]))
			barriers(s, 2 * PAIRS + 2 + cpu);
	}
}

/* Watch them; returns how often one made no way. */
static u64 watch(struct state *s, u64 seconds)
{
	u64 seen[NR_PROCESSES] = { 0 };
	u64 stuck = 0;

	for (u64 i = 0; i < SLICES; i++) {
		sleep_ns(seconds * (1000000000 / SLICES));
		for (u64 p = 0; p < NR_PROCESSES; p++) {
			stuck += s->count[p] == seen[p];
			seen[p] = s->count[p];
		}
	}
	return stuck;
}

static u64 sum(const struct state *s, u64 from, u64 to)
{
	u64 total = 0;

	for (; from < to; from++)
		total += s->count[from];
	return total;
}

__attribute__((used)) void load_main(u64 *stack)
{
	const char *arg = stack[0] > 1 ? (const char *)stack[2] : "";
	s64 pids[NR_PROCESSES];
	u64 seconds = 0, stuck;
	struct state *s;

	while (*arg >= '0' && *arg <= '9')
		seconds = seconds * 10 + (u64)(*arg++ - '0');
	if (*arg || !seconds || seconds > 100000) {
		text_print("usage: load SECONDS\n");
		call3(NR_exit, 1, 0, 0);
	}
	/* PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS */
	s = (struct state *)call(NR_mmap, 0, 4096, 3, 0x21, (u64)-1, 0);
	if ((s64)s < 0 && (s64)s > -4096)
		die("mmap");
	all_start(s, pids);
	stuck = watch(s, seconds);
	for (u64 p = 0; p < NR_PROCESSES; p++)
		call3(NR_kill, pids[p], SIGKILL, 0);
	number_print("load: pings ", sum(s, 0, 2 * PAIRS));
	number_print(" sleeps ", sum(s, 2 * PAIRS, 2 * PAIRS + 2));
	number_print(" barriers ", sum(s, 2 * PAIRS + 2, NR_PROCESSES));
	number_print(" disorder ", s->disorder);
	number_print(" stuck ", stuck);
	text_print("\n");
	call3(NR_exit, stuck || s->disorder, 0, 0);
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall load_main\n");
