//! Limits that several stages share, each with its reason.
//!
//! A limit that only one module needs stays in that module.

/// Bytes of the buffer of a text that is fetched, the final NUL included: `PATH_MAX` of the kernel.
pub const TEXT_BYTES: u32 = 4096;

/// The most bytes of a char array that is read as a text. It is copied to the stack, which has 512 bytes.
pub const STR_BYTES_MAX: u32 = 256;

/// The most texts that one program can fetch: each has a buffer in a map value, which has at most 32 KiB for
/// each processor (`PCPU_MIN_UNIT_SIZE`).
pub const TEXTS_MAX: usize = 6;

/// The most ancestors that are tested. The verifier follows each iteration of the loop.
pub const ANCESTORS_MAX: i32 = 128;

/// The most different conditions on ancestors in an object. The kernel admits 256 functions
/// (`BPF_MAX_SUBPROGS`), and each condition needs up to two of them.
pub const ANCESTOR_CONDS_MAX: usize = 64;

/// The most ranges of a set, and so the most elements. The binary search over them takes 17 steps.
pub const RANGES_MAX: usize = (1 << 17) - 1;

/// The most 64-bit words of a key that is looked up exactly.
pub const EXACT_KEY_WORDS_MAX: usize = 4;

/// The most 64-bit words of a key whose last one or two are a range: the key and a row fit into five argument
/// registers.
pub const RANGE_KEY_WORDS_MAX: usize = 3;

/// The most keys of an exact table. Displacements of 16 bits could not separate more keys in reasonable time.
pub const EXACT_KEYS_MAX: usize = 1 << 20;

/// The most rules of a row. Their modes are read in a loop, each iteration of which the verifier follows.
pub const ROW_RULES_MAX: usize = 256;

/// Bytes of stack of a program and the functions that it calls (`MAX_BPF_STACK`).
pub const STACK_BYTES_MAX: u32 = 512;

/// The most nested calls, the program included (`MAX_CALL_FRAMES`).
pub const CALL_FRAMES_MAX: u32 = 8;

/// The most bytes of a map value: 5.10 allocates it in one piece (`KMALLOC_MAX_SIZE`).
pub const MAP_VALUE_BYTES_MAX: usize = 4 << 20;
