//! The description of a policy that travels in its object.
//!
//! Bytes: the magic `KRSI`, the format version (u16 LE), the encoding (u16 LE), the length of what follows (u32 LE), then
//! the [`Manifest`] as JSON: plain, or, where it is long, compressed (the length of the JSON as u32 LE, then a block of LZ4), since
//! the kernel 5.10 gives a map's value at most 4 MiB. The version stands before the JSON, so that a newer format is told
//! apart from garbage whatever it holds.

use serde::{Deserialize, Serialize};

use crate::FORMAT_VERSION;

/// The first bytes of the section.
pub const MAGIC: [u8; 4] = *b"KRSI";

/// Index into [`Manifest::rules`]; the number that events carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(pub u32);

/// A whole policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// `krsic 0.1.0`
    pub producer: String,
    /// The policy's name: that of its first source file without its ending.
    pub policy: String,
    /// One for each program, in the order of the object's sections.
    pub programs: Vec<Program>,
    /// One for each pair of a rule and a hook, in source order.
    pub rules: Vec<Rule>,
    /// The types whose values print by name; `Ty::Names` points here.
    pub names: Vec<Names>,
    /// Kernels (`5.10`) that the compiler checked the object for and found that it can be loaded on.
    pub kernels: Vec<String>,
    /// Values that can be set at load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
    /// Files that are found at load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// Sets that change while the policy is loaded, each a map called [`crate::set::map_name`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<Set>,
    /// Where in the state the counters of texts that could not be read begin: a `u64` for each rule, counted for the
    /// rule that asked first. None where nothing asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<u32>,
    /// Where in the state the counters of events over a limit begin: a `u64` for each rule. None where no rule has a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited: Option<u32>,
    /// Bitfields that programs load, which are where they are said to be only where the kernel has them in such words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
    /// Its labels, by object and name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// Where in the state the count of labels that found no room is: one `u64`. None where the policy has no label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels_lost: Option<u32>,
}

/// A label: a byte, 0 or 1, of the value that the object's kind of map has for an object. See [`crate::labels`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// What it can be on.
    pub on: crate::labels::Object,
    /// Objects that come of a labelled one have it from their beginning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherit: bool,
}

/// A value that can be set at load: 8 bytes of the constants (see [`crate::CONSTANTS_SECTION`]), little-endian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// Its name.
    pub name: String,
    /// An integer, a `bool`, or an integer whose values have names; extended to 8 bytes by its sign.
    pub ty: Ty,
    /// In the constants.
    pub offset: u32,
    /// What stands there.
    pub default: u64,
}

/// A file that is found at load: 16 bytes of the constants (see [`crate::CONSTANTS_SECTION`]), two native numbers: `s_dev` of
/// its file system as the kernel keeps it, and `i_ino`. Both are [`File::NONE`] where it was not found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// From the root that the loader has.
    pub path: String,
    /// In the constants.
    pub offset: u32,
}

impl File {
    /// No device and no inode.
    pub const NONE: u64 = u64::MAX;
}

/// A set whose elements come and go while the policy is loaded; how they become keys is in [`crate::set`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// What an element is made of: one part, or those of a tuple.
    pub parts: Vec<Part>,
    /// The most elements at a time.
    pub max: u32,
}

/// A part of a set's element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// An integer, or one whose values have names: [`Ty::Int`] or [`Ty::Names`].
    Number(Ty),
    /// An address.
    Ip,
    /// A network, or an address.
    Cidr,
    /// A text; it stands alone.
    Str,
    /// A full path; it stands alone.
    Path,
}

impl Part {
    /// Bytes of it in a key.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        match self {
            Part::Number(ty) => ty.bytes(),
            Part::Ip | Part::Cidr => 16,
            Part::Str | Part::Path => crate::set::TEXT_KEY_BYTES,
        }
    }
}

/// All rules of one hook: one BPF program, or several that go on with each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The hook, which is the program's symbol too.
    pub hook: String,
    /// Its ELF section: `lsm/file_mprotect`, `lsm.s/...`.
    pub section: String,
    /// Instructions of the section.
    pub instructions: u32,
    /// Symbols of the programs that the first goes on with, in the order of their array ([`crate::parts_map`]). Only the first is
    /// attached: what the others do depends on what it has found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
    /// It keeps labels, whether rules are on its hook or not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps: bool,
    /// Where the programs load an argument from their context, so that a loader can put the argument's place on
    /// the running kernel there.
    pub arguments: Vec<ArgumentLoad>,
}

/// One load of a hook's argument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArgumentLoad {
    /// Index of the instruction in the program's section, in 8-byte units; its offset is `8 * slot`.
    pub instruction: u32,
    /// The argument's name in BTF.
    pub name: String,
    /// The slot that the compiler chose: the index of the argument where every earlier one takes one
    /// slot (a by-value struct of more than 8 bytes takes two).
    pub slot: u32,
}

/// A rule on one of its hooks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name, given or made of its hook and place.
    pub name: String,
    /// Its `##` lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// Index into [`Manifest::programs`].
    pub program: u32,
    /// Where it was written.
    pub source: Source,
    /// The errno of its `deny`, positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<i32>,
    /// Its `audit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// The signal of its `kill`: `SIGKILL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill: Option<String>,
    /// `low`, `medium`, `high` or `critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// A name that other systems know it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its first mode is permissive (see [`crate::modes`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub permissive: bool,
    /// It is active on newer kernels only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
}

/// What a rule for newer kernels asks of one. It is active where all `needs` are met, and with `by_number` the kernel is
/// as new as `version`; elsewhere its switch is to be turned off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// The number of the release: 6 and 1.
    pub version: (u32, u32),
    /// What some kernels lack.
    pub needs: Vec<Need>,
    /// What it needs is on older kernels too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_number: bool,
    /// Where in the constants (see [`crate::CONSTANTS_SECTION`]) the switch is: 8 bytes, 1 for on and 0 for off.
    pub switch: u32,
}

/// Something that a kernel has or lacks, by names of its BTF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// A hook.
    Hook(String),
    /// A hook's argument.
    Argument {
        /// The hook.
        hook: String,
        /// The argument.
        name: String,
    },
    /// A field, through embedded structs: `task_struct`, `["loginuid", "val"]`. Anonymous ones are left out, and elements
    /// of arrays.
    Field {
        /// The tag of a struct or union.
        of: String,
        /// From there to the field; not empty.
        path: Vec<String>,
    },
    /// An enumerator.
    Enumerator {
        /// The enum's tag.
        of: String,
        /// Its name.
        name: String,
    },
}

/// The word that a bitfield is in: its offset and its shifts a loader fits to the kernel, its width is fixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// A rule that reads it.
    pub rule: RuleId,
    /// The tag of a struct or union.
    pub of: String,
    /// From there to the field, as in [`Need::Field`].
    pub path: Vec<String>,
    /// The word's, 1, 2, 4 or 8.
    pub bytes: u32,
}

/// A place in a policy's text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// As named on the compiler's command line.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// The rule's text, runs of white space as one blank.
    pub text: String,
}

/// `policy.krs:3:1`
impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What an `audit` records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Its message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its fields, in the order written.
    pub fields: Vec<Field>,
    /// Bytes of the whole record.
    pub bytes: u32,
    /// How often at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// How many events a rule records at most on a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// So many.
    pub count: u32,
    /// In this time.
    pub per: Period,
    /// Where the record has, as a `u64`, how many events were over the limit so far.
    pub offset: u32,
}

/// A time in which events are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
}

impl Period {
    /// All there are.
    pub const ALL: [Period; 3] = [Period::Second, Period::Minute, Period::Hour];

    /// As in krs.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Period::Second => "s",
            Period::Minute => "m",
            Period::Hour => "h",
        }
    }

    /// Its length in nanoseconds.
    #[must_use]
    pub fn ns(self) -> u64 {
        1_000_000_000
            * match self {
                Period::Second => 1,
                Period::Minute => 60,
                Period::Hour => 3600,
            }
    }
}

impl std::fmt::Display for Period {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.letter())
    }
}

/// One field of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Its name, given or the text of its expression.
    pub name: String,
    /// How its bytes read.
    pub ty: Ty,
    /// From the record's start.
    pub offset: u32,
}

/// How the bytes of a field read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ty {
    /// An integer of 1, 2, 4 or 8 bytes.
    Int {
        /// 1, 2, 4 or 8.
        bytes: u32,
        /// Two's complement.
        signed: bool,
    },
    /// One byte, 0 or 1.
    Bool,
    /// An integer whose values have names.
    Names {
        /// Index into [`Manifest::names`].
        names: u32,
        /// 1, 2, 4 or 8.
        bytes: u32,
        /// Two's complement.
        signed: bool,
    },
    /// Characters up to the first NUL or the end.
    Str {
        /// The room for them.
        bytes: u32,
    },
    /// An address of memory, 8 bytes.
    Pointer,
    /// An address of a network: the upper 8 bytes, then the lower ones, each as a native number; one of IPv4 is
    /// `::ffff:a.b.c.d`.
    Ip,
}

impl Ty {
    /// Bytes of a value.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        match *self {
            Ty::Int { bytes, .. } | Ty::Names { bytes, .. } | Ty::Str { bytes } => bytes,
            Ty::Bool => 1,
            Ty::Pointer => 8,
            Ty::Ip => 16,
        }
    }
}

/// A `flags` or `enum` type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// The type's name.
    pub name: String,
    /// Values combine by `|`.
    pub flags: bool,
    /// Name and value, in the order of the definition; the value is sign-extended.
    pub members: Vec<(String, i64)>,
}

/// Why bytes are no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The magic is missing.
    #[error("it does not begin with `KRSI`")]
    NotAManifest,
    /// A version that this build does not know.
    #[error("its format is version {found}, this krsi reads version {FORMAT_VERSION}")]
    Version {
        /// As found.
        found: u16,
    },
    /// Shorter than it says.
    #[error("it ends after {have} of {need} bytes")]
    Truncated {
        /// Bytes there.
        have: usize,
        /// Bytes promised.
        need: usize,
    },
    /// It cannot be decompressed.
    #[error("it cannot be decompressed")]
    Damaged,
    /// The JSON does not say a manifest.
    #[error("{0}")]
    Malformed(#[from] serde_json::Error),
}

const HEAD_BYTES: usize = 12;

/// Encodings. What is shorter than so many bytes is plain, for whoever looks into an object.
const PLAIN: u16 = 0;
const COMPRESSED: u16 = 1;
const PLAIN_BYTES_MAX: usize = 64 << 10;

impl Manifest {
    /// The section's bytes. Same manifest, same bytes.
    ///
    /// # Panics
    /// Never: a manifest has string keys only and no float.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("a manifest has string keys only and no float");
        let (encoding, json) = match json.len() {
            0..PLAIN_BYTES_MAX => (PLAIN, json),
            _ => (COMPRESSED, lz4_flex::block::compress_prepend_size(&json)),
        };
        let mut bytes = Vec::with_capacity(HEAD_BYTES + json.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&encoding.to_le_bytes());
        let length = u32::try_from(json.len()).expect("a manifest is far below 4 GiB");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&json);
        bytes
    }

    /// Reads a section or the value of its map; bytes behind the JSON are ignored.
    ///
    /// # Errors
    /// When the bytes are no manifest of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        if bytes.len() < 4 || bytes[..4] != MAGIC {
            return Err(ManifestError::NotAManifest);
        }
        let head: &[u8; HEAD_BYTES] =
            bytes.first_chunk().ok_or(ManifestError::Truncated { have: bytes.len(), need: HEAD_BYTES })?;
        let found = u16::from_le_bytes([head[4], head[5]]);
        if found != FORMAT_VERSION {
            return Err(ManifestError::Version { found });
        }
        let length = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
        let need = HEAD_BYTES + length;
        let json = bytes.get(HEAD_BYTES..need).ok_or(ManifestError::Truncated { have: bytes.len(), need })?;
        if u16::from_le_bytes([head[6], head[7]]) == PLAIN {
            return Ok(serde_json::from_slice(json)?);
        }
        // A length that no block of so many bytes can have is not given room.
        let size = json.first_chunk().map_or(0, |size| u32::from_le_bytes(*size) as usize);
        if size / 256 > json.len() {
            return Err(ManifestError::Damaged);
        }
        let json = lz4_flex::block::decompress_size_prepended(json).map_err(|_| ManifestError::Damaged)?;
        Ok(serde_json::from_slice(&json)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(rules: u32) -> Manifest {
        let rule = |at: u32| {
            let source = Source { file: "p.krs".into(), line: at, column: 1, text: "on file_open deny".into() };
            serde_json::json!({ "name": format!("rule{at}"), "program": 0, "source": source, "deny": 1 })
        };
        let json = serde_json::json!({
            "producer": "krsic", "policy": "p", "programs": [], "names": [], "kernels": [],
            "rules": (0..rules).map(rule).collect::<Vec<_>>(),
        });
        serde_json::from_value(json).expect("all that is asked for is there")
    }

    #[test]
    fn long_manifests_are_compressed() {
        for (rules, encoding) in [(3, PLAIN), (10_000, COMPRESSED)] {
            let manifest = manifest(rules);
            let mut bytes = manifest.to_bytes();
            assert_eq!(bytes[6..8], encoding.to_le_bytes());
            bytes.extend_from_slice(&[0; 40]);
            assert_eq!(Manifest::from_bytes(&bytes).expect("what was written can be read"), manifest);
        }
        let mut bytes = manifest(10_000).to_bytes();
        assert!(bytes.len() < 400_000, "{} bytes", bytes.len());
        let length = bytes.len();
        bytes[length / 2..].fill(0xff);
        assert!(Manifest::from_bytes(&bytes).is_err());
        bytes[12..16].fill(0xff);
        assert!(matches!(Manifest::from_bytes(&bytes), Err(ManifestError::Damaged)));
    }
}
