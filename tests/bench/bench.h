// Definitions shared by the C programs of the benchmark: the same ring buffer, event header and counters of
// lost events as krs has. Kernel types are declared where they are used, with only the members that are
// needed, which is the least input for a C compiler; with -DVMLINUX they come from vmlinux.h, as in most such
// programs.

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, value) int(*name)[value]
#define CORE __attribute__((preserve_access_index))
#define ALWAYS __attribute__((always_inline)) static inline
// Hides a value from the optimiser by passing it through a register.
#define HIDDEN(value) asm volatile("" : "+r"(value))

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;

#define NULL ((void *)0)
#define EPERM 1
#define EACCES 13
#define ENETUNREACH 101

#define BPF_MAP_TYPE_PERCPU_ARRAY 6
#define BPF_MAP_TYPE_RINGBUF 27

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static u64 (*const bpf_get_current_uid_gid)(void) = (void *)15;
static long (*const bpf_get_current_comm)(void *buffer, u32 bytes) = (void *)16;
static u64 (*const bpf_get_current_cgroup_id)(void) = (void *)80;
static long (*const bpf_probe_read_kernel)(void *to, u32 bytes, const void *from) = (void *)113;
static u64 (*const bpf_ktime_get_boot_ns)(void) = (void *)125;
static void *(*const bpf_ringbuf_reserve)(void *ring, u64 bytes, u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *data, u64 flags) = (void *)132;
static long (*const bpf_d_path)(void *path, char *buffer, u32 bytes) = (void *)147;
static struct task_struct *(*const bpf_get_current_task_btf)(void) = (void *)158;
static long (*const bpf_loop)(u32 times, void *each, void *of, u64 flags) = (void *)181;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} krs_events SEC(".maps");

struct head {
	u64 time_ns;
	u64 pid_tgid;
	u64 uid_gid;
	u64 cgroup;
	u32 rule;
	s32 verdict;
	u64 lost;
	u64 unknown;
	char comm[16];
};

// Events of each rule for which the buffer had no room.
u64 lost[8];

// Reserves an event and fills in its header; on failure it is NULL and the loss is counted.
#define begin(event, rule_number, verdict_number)                                       \
	({                                                                              \
		struct head *head = bpf_ringbuf_reserve(&krs_events, sizeof(*event), 0); \
		if (head) {                                                             \
			head->time_ns = bpf_ktime_get_boot_ns();                        \
			head->pid_tgid = bpf_get_current_pid_tgid();                    \
			head->uid_gid = bpf_get_current_uid_gid();                      \
			head->cgroup = bpf_get_current_cgroup_id();                     \
			head->rule = rule_number;                                       \
			head->verdict = verdict_number;                                 \
			head->lost = lost[rule_number];                                 \
			head->unknown = 0;                                              \
			bpf_get_current_comm(head->comm, sizeof(head->comm));           \
		} else {                                                                \
			__sync_fetch_and_add(&lost[rule_number], 1);                    \
		}                                                                       \
		event = (void *)head;                                                   \
	})

// The name of the current task, padded with zeros: 6.1 leaves the bytes after the NUL unchanged.
struct name {
	union {
		char text[16];
		u64 words[2];
	};
};

ALWAYS struct name current_name(void)
{
	struct name name = {};

	bpf_get_current_comm(name.text, sizeof(name.text));
	return name;
}

// Compares with a literal shorter than 16 bytes, as two words.
#define is_name(name, literal)                                                                  \
	({                                                                                      \
		struct name wanted_ = { .text = literal };                                      \
		(name).words[0] == wanted_.words[0] && (name).words[1] == wanted_.words[1];     \
	})

// A word of a literal, padded with zeros: clang 14 has no memcmp for BPF.
#define WORD(literal, at) (((union { char text[24]; u64 words[3]; }){ .text = literal }).words[at])
// Mask of the bits of a word that the first bytes occupy, at most 8.
#define BITS(bytes) ((bytes) >= 8 ? ~0ull : (1ull << 8 * ((bytes) & 7)) - 1)

// Tests for a prefix of at most 16 bytes; `bytes` may include the literal's NUL.
#define begins(words, literal, bytes)                                           \
	(((words)[0] & BITS(bytes)) == WORD(literal, 0) &&                      \
	 ((bytes) <= 8 || ((words)[1] & BITS((bytes) - 8)) == WORD(literal, 1)))

char _license[] SEC("license") = "GPL";
