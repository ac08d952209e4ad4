//! The manifest: the description of a policy inside its object.
//!
//! Encoding: the magic `KRSI`, the format version (u16 LE), the encoding of the payload (u16 LE), the length of
//! the payload (u32 LE), then the [`Manifest`] as JSON. A long manifest is compressed (the length of the JSON
//! as u32 LE, then one LZ4 block), because the largest map value on kernel 5.10 is 4 MiB. The version precedes
//! the JSON, so that any newer format can be distinguished from garbage.
//!
//! Absent: a loaded policy's current modes ([`crate::modes`]) and the elements of its dynamic sets, which live
//! in maps.

use serde::{Deserialize, Serialize};

use crate::FORMAT_VERSION;

/// The magic bytes at the start of the section.
pub const MAGIC: [u8; 4] = *b"KRSI";

/// Index into [`Manifest::rules`]; the number that identifies a rule in events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RuleId(pub u32);

/// The description of one policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The compiler and its version: `krsic 0.1.0`.
    pub producer: String,
    /// The policy's name: that of its first source file, without the extension.
    pub policy: String,
    /// The programs, one per hook, in the order of the object's sections.
    pub programs: Vec<Program>,
    /// The rules, one per pair of rule and hook, in source order.
    pub rules: Vec<Rule>,
    /// The types whose values print by name; the targets of `Ty::Names`.
    pub names: Vec<Names>,
    /// The kernels (`5.10`) that the object was checked against and can be loaded on.
    pub kernels: Vec<String>,
    /// Parameters: values that can be set at load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
    /// Files that the loader looks up for `inode("...")`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<File>,
    /// Paths that the rules compare file paths with, sorted by path. The loader warns of those that lead through a
    /// symbolic link.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub literals: Vec<Literal>,
    /// Dynamic sets, each a map named by [`crate::set::map_name`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<Set>,
    /// Offset in the state section of the counters of texts that could not be read: a `u64` per rule. A failure
    /// is attributed to the first rule that tests the text. `None` if no rule reads such a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<u32>,
    /// Offset in the state section of the counters of events over a limit: a `u64` per rule. `None` if no rule
    /// has a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limited: Option<u32>,
    /// Loads of bitfields. Each is correct only on kernels that store the bitfield in a word of the same width.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<BitfieldLoad>,
    /// Labels, sorted by kind of object and name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// Offset in the state section of the `u64` count of labels that found no room. `None` if the policy has no
    /// label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels_lost: Option<u32>,
}

/// A label: a byte, 0 or 1, in the map values of its kind of object. See [`crate::labels`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Name of the label.
    pub name: String,
    /// The kind of object that can have it.
    pub on: crate::labels::Object,
    /// A new process has the label from its beginning if its parent has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherit: bool,
}

/// A parameter: an 8-byte little-endian value in [`crate::CONSTANTS_SECTION`] that can be set at load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// Name of the parameter.
    pub name: String,
    /// An integer, a `bool`, or an integer with named values; sign-extended to 8 bytes.
    pub ty: Ty,
    /// Offset in the constants section.
    pub offset: u32,
    /// The value that the object contains.
    pub default: u64,
}

/// A file that the loader looks up: 16 bytes in [`crate::CONSTANTS_SECTION`], two native `u64`: `s_dev` of the
/// file system in the kernel's encoding, and `i_ino`. Both are [`File::NONE`] if the file was not found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Absolute path, resolved in the loader's root.
    pub path: String,
    /// Offset in the constants section.
    pub offset: u32,
}

impl File {
    /// The device and inode number of a missing file.
    pub const NONE: u64 = u64::MAX;
}

/// A path that the full path of a file is compared with by `==`, `in` or `under`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Literal {
    /// Absolute path as the policy writes it.
    pub path: String,
    /// The rule with the comparison, on the first of its hooks.
    pub rule: RuleId,
}

/// A dynamic set: its elements change while the policy is loaded. [`crate::set`] describes the keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Name of the set.
    pub name: String,
    /// The columns of an element: one, or one per tuple component.
    pub parts: Vec<Part>,
    /// Maximum number of elements.
    pub max: u32,
}

/// A column of a set's elements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// An integer, possibly with named values: [`Ty::Int`] or [`Ty::Names`].
    Number(Ty),
    /// An IPv4 or IPv6 address.
    Ip,
    /// A network, or a single address.
    Cidr,
    /// A text, which is the only column.
    Str,
    /// A full path, which is the only column.
    Path,
}

impl Part {
    /// Size in bytes within a key.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        match self {
            Part::Number(ty) => ty.bytes(),
            Part::Ip | Part::Cidr => 16,
            Part::Str | Part::Path => crate::set::TEXT_KEY_BYTES,
        }
    }
}

/// The program for all rules of one hook, possibly split into several that tail-call each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Name of the hook, and of the program's symbol.
    pub hook: String,
    /// Name of its ELF section: `lsm/file_mprotect`, `lsm.s/...`.
    pub section: String,
    /// Number of instructions in the section.
    pub instructions: u32,
    /// Symbols of the tail-called programs, in the order of the program array ([`crate::parts_map`]). Only the
    /// first program is attached: the others depend on the state that it passes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
    /// The program maintains labels, with or without rules on its hook.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps: bool,
    /// The loads of hook arguments from the context, which a loader patches for the running kernel's argument
    /// positions.
    pub arguments: Vec<ArgumentLoad>,
}

/// A load of a hook argument from the context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArgumentLoad {
    /// Index of the instruction in the program's section, in units of 8 bytes; the load's offset in the context
    /// is `8 * slot`.
    pub instruction: u32,
    /// Name of the argument in BTF.
    pub name: String,
    /// The context slot that the compiler chose. It equals the argument's index if every earlier argument takes
    /// one slot (a by-value struct of more than 8 bytes takes two).
    pub slot: u32,
}

/// A rule on one of its hooks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name, given or derived from its hook and place.
    pub name: String,
    /// Its doc comment (`##` lines).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// Index of the program in [`Manifest::programs`].
    pub program: u32,
    /// The place of the rule in the policy's source.
    pub source: Source,
    /// The positive errno of its `deny`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<i32>,
    /// The layout of its `audit` event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// Name of the signal of its `kill`: `SIGKILL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kill: Option<String>,
    /// Severity: `low`, `medium`, `high` or `critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// The strings of its `@tag` attribute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The identifier in other systems (`@id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The initial mode is permissive (see [`crate::modes`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub permissive: bool,
    /// Requirements of a rule with `@since`, which is active on newer kernels only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
}

/// The requirements of a rule with `@since`. The rule is active if the kernel meets all `needs` and, with
/// `by_number`, is at least as new as `version`. Otherwise the loader turns its switch off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Since {
    /// The kernel release, major and minor: (6, 1).
    pub version: (u32, u32),
    /// The hooks, arguments, fields and enumerators that some kernels lack.
    pub needs: Vec<Need>,
    /// The version number decides, because older kernels have everything that the rule needs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_number: bool,
    /// Offset of the switch in [`crate::CONSTANTS_SECTION`]: 8 bytes, 1 for on and 0 for off.
    pub switch: u32,
}

/// A requirement on the kernel's BTF.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// The hook with this name exists.
    Hook(String),
    /// The hook has an argument with this name.
    Argument {
        /// Name of the hook.
        hook: String,
        /// Name of the argument.
        name: String,
    },
    /// A struct has a field, possibly within embedded structs: `task_struct`, `["loginuid", "val"]`. The path
    /// omits anonymous members and array indices.
    Field {
        /// Tag of the struct or union.
        of: String,
        /// Field names from there to the field; not empty.
        path: Vec<String>,
    },
    /// An enum has an enumerator with this name.
    Enumerator {
        /// Tag of the enum.
        of: String,
        /// Name of the enumerator.
        name: String,
    },
}

/// The load of a bitfield: the loader relocates its offset and shifts (CO-RE), but its width is fixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BitfieldLoad {
    /// A rule that reads the bitfield.
    pub rule: RuleId,
    /// Tag of the struct or union.
    pub of: String,
    /// Path to the field, as in [`Need::Field`].
    pub path: Vec<String>,
    /// Width of the load in bytes: 1, 2, 4 or 8.
    pub bytes: u32,
}

/// A place in a policy's source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Path of the file, as given on the compiler's command line.
    pub file: String,
    /// Line number, counted from 1.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// The text of the rule, with each run of white space as one space.
    pub text: String,
}

/// Formats the place as `policy.krs:3:1`.
impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// The event of an `audit` action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Message of the event, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Fields of the event, in source order.
    pub fields: Vec<Field>,
    /// Size of the whole record in bytes.
    pub bytes: u32,
    /// Rate limit of the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
}

/// The rate limit of a rule's events on one hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Maximum number of events per period.
    pub count: u32,
    /// Length of the period.
    pub per: Period,
    /// Offset in the record of the `u64` count of suppressed events.
    pub offset: u32,
}

/// The period of a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// One second, written `s`.
    Second,
    /// One minute, written `m`.
    Minute,
    /// One hour, written `h`.
    Hour,
}

impl Period {
    /// All periods, the shortest first.
    pub const ALL: [Period; 3] = [Period::Second, Period::Minute, Period::Hour];

    /// The letter of the period in krs.
    #[must_use]
    pub fn letter(self) -> &'static str {
        match self {
            Period::Second => "s",
            Period::Minute => "m",
            Period::Hour => "h",
        }
    }

    /// Length of the period in nanoseconds.
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

/// A field of an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// Name of the field: given, or the text of its expression.
    pub name: String,
    /// Type of the field's bytes.
    pub ty: Ty,
    /// Offset from the start of the record.
    pub offset: u32,
}

/// The type of a field in an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ty {
    /// An integer without named values.
    Int {
        /// Width in bytes: 1, 2, 4 or 8.
        bytes: u32,
        /// Signed, in two's complement.
        signed: bool,
    },
    /// A Boolean: one byte, 0 or 1.
    Bool,
    /// An integer with named values.
    Names {
        /// Index of the names in [`Manifest::names`].
        names: u32,
        /// Width in bytes: 1, 2, 4 or 8.
        bytes: u32,
        /// Signed, in two's complement.
        signed: bool,
    },
    /// Characters up to the first NUL or the end of the field.
    Str {
        /// Size of the field in bytes.
        bytes: u32,
    },
    /// A kernel address of 8 bytes.
    Pointer,
    /// An IP address: the upper 8 bytes, then the lower 8, each as a native number; an IPv4 address is
    /// `::ffff:a.b.c.d`.
    Ip,
}

impl Ty {
    /// Size of a value in bytes.
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

/// A `flags` or `enum` type with its members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// Name of the type in krs.
    pub name: String,
    /// Values are combined with `|` (a `flags` type).
    pub flags: bool,
    /// Names and values, in the order of the definition; the values are sign-extended.
    pub members: Vec<(String, i64)>,
}

/// The reason why bytes cannot be read as a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The magic bytes are missing.
    #[error("it does not begin with `KRSI`")]
    NotAManifest,
    /// The format version is not supported by this build.
    #[error("its format is version {found}, this krsi reads version {FORMAT_VERSION}")]
    Version {
        /// Version in the object.
        found: u16,
    },
    /// The bytes are shorter than the header claims.
    #[error("it ends after {have} of {need} bytes")]
    Truncated {
        /// Number of bytes present.
        have: usize,
        /// Number of bytes expected.
        need: usize,
    },
    /// The JSON is longer, or has more values, than a policy of the object's size needs.
    #[error("it is larger than what an object of this size can describe")]
    TooLarge,
    /// The LZ4 block is damaged.
    #[error("it cannot be decompressed")]
    Damaged,
    /// The JSON does not describe a manifest.
    #[error("{0}")]
    Malformed(#[from] serde_json::Error),
}

const HEAD_BYTES: usize = 12;

/// Encodings of the payload. A manifest shorter than this is not compressed, so that it can be read in the
/// object.
const PLAIN: u16 = 0;
const COMPRESSED: u16 = 1;
const PLAIN_BYTES_MAX: usize = 64 << 10;

impl Manifest {
    /// Encodes the manifest. Equal manifests have equal encodings.
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

    /// Decodes the section or the value of its map; bytes after the payload are ignored.
    ///
    /// # Errors
    /// If the bytes are not a manifest of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        Manifest::from_object(bytes, bytes.len())
    }

    /// Decodes the section of an object of `object_bytes` bytes. A manifest describes programs and tables that the object
    /// contains, so its size is bounded by the object's: a short LZ4 block of a long text is refused before memory is
    /// allocated for it.
    ///
    /// # Errors
    /// If the bytes are not a manifest of this version, or one that is too large for the object.
    pub fn from_object(bytes: &[u8], object_bytes: usize) -> Result<Manifest, ManifestError> {
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
            return parse(json, object_bytes);
        }
        // LZ4 compresses by at most 255:1; refuse larger sizes instead of allocating memory for them.
        let size = json.first_chunk().map_or(0, |size| u32::from_le_bytes(*size) as usize);
        if size / 256 > json.len() {
            return Err(ManifestError::Damaged);
        }
        if size > JSON_BYTES_FREE + JSON_BYTES_PER_BYTE * object_bytes {
            return Err(ManifestError::TooLarge);
        }
        let json = lz4_flex::block::decompress_size_prepended(json).map_err(|_| ManifestError::Damaged)?;
        parse(&json, object_bytes)
    }
}

/// Maximum length of the JSON, beyond [`JSON_BYTES_PER_BYTE`] for each byte of the object.
const JSON_BYTES_FREE: usize = 4 << 20;
/// Maximum length of the JSON for each byte of the object. A policy of ten thousand rules has less than 1.
const JSON_BYTES_PER_BYTE: usize = 8;
/// Maximum number of values in the JSON, beyond one for each byte of the object.
const VALUES_FREE: usize = 256 << 10;

/// Parses the JSON of a manifest, unless it has far more values than the object can need. The smallest value takes two
/// bytes of JSON and some hundred bytes of memory.
fn parse(json: &[u8], object_bytes: usize) -> Result<Manifest, ManifestError> {
    if values(json) > VALUES_FREE + object_bytes {
        return Err(ManifestError::TooLarge);
    }
    Ok(serde_json::from_slice(json)?)
}

/// Counts the separators of a JSON text, outside of strings: an upper bound of the number of its values.
fn values(json: &[u8]) -> usize {
    let (mut within, mut escaped, mut count) = (false, false, 0);
    for byte in json {
        match (within, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => within = !within,
            (false, b',' | b'[' | b'{') => count += 1,
            _ => {}
        }
    }
    count
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
        serde_json::from_value(json).expect("all required fields are present")
    }

    /// A short block that unpacks to a long text, and short values that take much memory, are refused.
    #[test]
    fn manifests_are_bounded_by_their_object() {
        let encoded = |json: &[u8]| {
            let json = lz4_flex::block::compress_prepend_size(json);
            let mut bytes = MAGIC.to_vec();
            bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
            bytes.extend_from_slice(&COMPRESSED.to_le_bytes());
            bytes.extend_from_slice(&u32::try_from(json.len()).expect("it is short").to_le_bytes());
            bytes.extend_from_slice(&json);
            bytes
        };
        let json = String::from_utf8(serde_json::to_vec(&manifest(1)).expect("JSON")).expect("UTF-8");
        let with_kernels = |kernels: &str| json.replace("\"kernels\":[]", &format!("\"kernels\":[{kernels}]"));
        let long = encoded(with_kernels(&format!("\"{}\"", "x".repeat(16 << 20))).as_bytes());
        assert!(long.len() < 100_000, "{} bytes", long.len());
        assert!(matches!(Manifest::from_bytes(&long), Err(ManifestError::TooLarge)));
        assert!(Manifest::from_object(&long, 16 << 20).is_ok());
        let many = encoded(with_kernels(&"\"\",".repeat(1 << 20)).replace(",]", "]").as_bytes());
        assert!(matches!(Manifest::from_bytes(&many), Err(ManifestError::TooLarge)));
        assert_eq!(values(br#"{"a,[{\"":[1,2],"b":{}}"#), 5);
    }

    #[test]
    fn long_manifests_are_compressed() {
        for (rules, encoding) in [(3, PLAIN), (10_000, COMPRESSED)] {
            let manifest = manifest(rules);
            let mut bytes = manifest.to_bytes();
            assert_eq!(bytes[6..8], encoding.to_le_bytes());
            bytes.extend_from_slice(&[0; 40]);
            assert_eq!(Manifest::from_bytes(&bytes).expect("the encoding is valid"), manifest);
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
