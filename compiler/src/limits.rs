//! Limits that several stages share, each with its reason.
//!
//! A limit that only one module needs stays in that module. [`TooLarge`] names the limit that a program
//! exceeds.

use std::fmt;

/// Bytes of the buffer of a text that is fetched, the final NUL included: `PATH_MAX` of the kernel.
pub const TEXT_BYTES: u32 = 4096;

/// The number of bytes that may be read from the start of a constant text: a text, and a word more.
pub const TEXT_READ_BYTES: usize = TEXT_BYTES as usize + 8;

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

/// The most conditional jumps on one path through a program. The verifiers of 5.10 and 6.1 keep at most 8192
/// pending branches (`BPF_COMPLEXITY_LIMIT_JMP_SEQ`); the difference is for the branches that they add
/// themselves.
pub const BRANCHES_MAX: u32 = 8000;

/// The limit that a program exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLarge {
    /// Bytes of the frame.
    Frame(u32),
    /// Bytes of the frame and of the frames of the functions that it calls.
    Stack(u32),
    /// Depth of nested calls.
    Calls(u32),
    /// Slots that a jump would skip.
    Jump(usize),
    /// Conditional jumps on one path.
    Branches(u32),
    /// Instructions of the program.
    Instructions(usize),
    /// The most different texts of a program.
    Texts(usize),
    /// The most programs of a split hook.
    Parts(usize),
    /// The most functions of an object.
    Functions(usize),
}

impl TooLarge {
    /// Returns true if the rules can fit into several programs.
    #[must_use]
    pub fn is_less_in_parts(self) -> bool {
        match self {
            TooLarge::Frame(_)
            | TooLarge::Jump(_)
            | TooLarge::Branches(_)
            | TooLarge::Instructions(_)
            | TooLarge::Texts(_) => true,
            TooLarge::Stack(_) | TooLarge::Calls(_) | TooLarge::Functions(_) | TooLarge::Parts(_) => false,
        }
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TooLarge::Frame(bytes) => {
                write!(f, "it needs {bytes} bytes of stack; the kernel provides {}", STACK_BYTES_MAX)
            }
            TooLarge::Stack(bytes) => write!(
                f,
                "with the functions that it calls it needs {bytes} bytes of stack; the kernel provides {}",
                STACK_BYTES_MAX
            ),
            TooLarge::Calls(frames) => {
                write!(f, "its calls are nested {frames} deep; the kernel allows {}", CALL_FRAMES_MAX)
            }
            TooLarge::Functions(most) => write!(f, "it tests more than {most} different conditions on ancestors"),
            TooLarge::Jump(slots) => {
                write!(f, "a jump would skip {slots} instructions; the format allows {}", i16::MAX)
            }
            TooLarge::Instructions(count) => {
                write!(f, "it has {count} instructions or more, which takes a verifier too long")
            }
            TooLarge::Texts(most) => write!(f, "a program can read at most {most} different texts"),
            TooLarge::Parts(most) => {
                write!(f, "it needs more than {most} parts, whose tail calls the kernel limits")
            }
            TooLarge::Branches(count) => {
                write!(
                    f,
                    "one path through it has {count} conditional jumps; the verifier of 5.10 follows at most {BRANCHES_MAX}"
                )
            }
        }
    }
}
