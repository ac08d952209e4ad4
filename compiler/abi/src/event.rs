//! The ring buffer record of a matching rule with `audit`, or of a `deny` that is not enforced.
//!
//! ```text
//!  0  u64  time_ns      since boot, including suspend (bpf_ktime_get_boot_ns)
//!  8  u64  pid_tgid     tgid << 32 | pid, in the initial pid namespace
//! 16  u64  uid_gid      gid << 32 | uid, real ids in the initial user namespace
//! 24  u64  cgroup       id of the task's cgroup v2
//! 32  u32  rule         manifest::RuleId
//! 36  i32  verdict      0, or the negative errno that the operation returns; for a permissive `deny`,
//!                       the positive errno that it would return; plus UNDECIDED if the rule is undecided
//! 40  u64  lost         events of this rule lost so far because the ring buffer was full
//! 48  u64  unknown      bit i: field i could not be read (a null pointer on the way)
//! 56  [u8; 16] comm     name of the task, NUL-padded
//! 72  u64  limited      present if the rule has a limit: events suppressed by it so far
//!     fields, each at its manifest offset, a multiple of its size up to 8
//! ```
//!
//! All numbers are in native byte order. The size of a record is a multiple of 8.

/// Offset of the time in nanoseconds since boot.
pub const TIME: u32 = 0;
/// Offset of `tgid << 32 | pid`.
pub const PID_TGID: u32 = 8;
/// Offset of `gid << 32 | uid`.
pub const UID_GID: u32 = 16;
/// Offset of the cgroup id.
pub const CGROUP: u32 = 24;
/// Offset of the rule.
pub const RULE: u32 = 32;
/// Offset of the verdict.
pub const VERDICT: u32 = 36;
/// Added to the verdict of a rule that acts because a value could not be read. Errnos are less than 4096.
pub const UNDECIDED: i32 = 1 << 16;
/// Offset of the rule's count of lost events.
pub const LOST: u32 = 40;
/// Offset of the mask of unknown fields.
pub const UNKNOWN: u32 = 48;
/// Offset of the task's name.
pub const COMM: u32 = 56;
/// Bytes of the task's name.
pub const COMM_BYTES: u32 = 16;
/// Bytes of the fixed header, before the first field.
pub const HEADER_BYTES: u32 = 72;
/// Maximum number of fields in an event, one per bit of `unknown`.
pub const FIELDS_MAX: usize = 64;

/// The fixed header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Nanoseconds since boot, including suspend.
    pub time_ns: u64,
    /// Thread id, in the initial pid namespace.
    pub pid: u32,
    /// Process id, in the initial pid namespace.
    pub tgid: u32,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// Real group id, in the initial user namespace.
    pub gid: u32,
    /// Id of the task's cgroup v2.
    pub cgroup: u64,
    /// Index of the rule in `Manifest::rules`.
    pub rule: u32,
    /// 0, a negative errno, or the positive errno of a `deny` that is not enforced.
    pub verdict: i32,
    /// The rule acts because a value that it tests could not be read.
    pub undecided: bool,
    /// Events of this rule lost so far because the ring buffer was full.
    pub lost: u64,
    /// Mask of unknown fields: bit i is set if field i could not be read.
    pub unknown: u64,
    /// Name of the task, NUL-padded.
    pub comm: [u8; COMM_BYTES as usize],
}

impl Header {
    /// Reads the header of a record; `None` if the record is shorter than [`HEADER_BYTES`].
    #[must_use]
    pub fn read(record: &[u8]) -> Option<Header> {
        let u64_at = |at: u32| -> Option<u64> {
            let at = at as usize;
            Some(u64::from_ne_bytes(record.get(at..at + 8)?.try_into().ok()?))
        };
        let u32_at = |at: u32| -> Option<u32> {
            let at = at as usize;
            Some(u32::from_ne_bytes(record.get(at..at + 4)?.try_into().ok()?))
        };
        let verdict = u32_at(VERDICT)?.cast_signed();
        let undecided = verdict > UNDECIDED / 2;
        let (pid_tgid, uid_gid) = (u64_at(PID_TGID)?, u64_at(UID_GID)?);
        Some(Header {
            time_ns: u64_at(TIME)?,
            pid: pid_tgid as u32,
            tgid: (pid_tgid >> 32) as u32,
            uid: uid_gid as u32,
            gid: (uid_gid >> 32) as u32,
            cgroup: u64_at(CGROUP)?,
            rule: u32_at(RULE)?,
            verdict: if undecided { verdict - UNDECIDED } else { verdict },
            undecided,
            lost: u64_at(LOST)?,
            unknown: u64_at(UNKNOWN)?,
            comm: record.get(COMM as usize..HEADER_BYTES as usize)?.try_into().ok()?,
        })
    }

    /// The task's name up to its first NUL.
    #[must_use]
    pub fn comm(&self) -> &[u8] {
        let end = self.comm.iter().position(|&b| b == 0).unwrap_or(self.comm.len());
        &self.comm[..end]
    }
}
