//! Records of the ring buffer to text and JSON, by the manifest of the policy that wrote them.
//!
//! ```text
//! 12:30:01.123456 no-exec/file_mprotect@1:1 file_mprotect denied EPERM  bash[811] uid=0  prot=READ|EXEC
//! ```
//!
//! What comes from the kernel is text that any program can choose: control characters are escaped before a
//! terminal sees them.

use std::fmt::Write;

use krsi_abi::event::{HEADER_BYTES, Header};
use krsi_abi::manifest::{Field, Manifest, Names, Rule, Ty};
use serde_json::{Map, Value, json};

use crate::list::errno_name;

/// A record with its meaning.
#[derive(Debug)]
pub struct Event<'m> {
    /// The fixed part.
    pub header: Header,
    /// The rule that wrote it.
    pub rule: &'m Rule,
    manifest: &'m Manifest,
    record: Vec<u8>,
}

/// What a field holds.
enum Decoded {
    Unknown,
    Unsigned(u64),
    Signed(i64),
    Bool(bool),
    Names(String),
    Text(String),
    Pointer(u64),
}

impl<'m> Event<'m> {
    /// Reads a record; `None` where it is none of this manifest.
    pub fn read(manifest: &'m Manifest, record: &[u8]) -> Option<Event<'m>> {
        let header = Header::read(record)?;
        let rule = manifest.rules.get(header.rule as usize)?;
        // A rule without `audit` records what it would deny, and nothing more.
        let bytes = rule.audit.as_ref().map_or(HEADER_BYTES, |audit| audit.bytes);
        (record.len() >= bytes as usize).then(|| Event { header, rule, manifest, record: record.to_vec() })
    }

    /// How many events of the rule were over its limit so far, where it has one.
    pub fn limited(&self) -> Option<u64> {
        let at = self.rule.audit.as_ref()?.limit?.offset as usize;
        self.record.get(at..at + 8).map(unsigned)
    }

    fn hook(&self) -> &'m str {
        self.manifest.programs.get(self.rule.program as usize).map_or("", |program| &program.hook)
    }

    fn fields(&self) -> impl Iterator<Item = (&'m Field, Decoded)> + '_ {
        let fields = self.rule.audit.as_ref().map_or(&[][..], |audit| &audit.fields);
        fields.iter().enumerate().map(|(index, field)| {
            if self.header.unknown >> index & 1 != 0 {
                return (field, Decoded::Unknown);
            }
            (field, self.decode(field).unwrap_or(Decoded::Unknown))
        })
    }

    fn decode(&self, field: &Field) -> Option<Decoded> {
        let start = field.offset as usize;
        let bytes = self.record.get(start..start + field.ty.bytes() as usize)?;
        Some(match &field.ty {
            Ty::Bool => Decoded::Bool(bytes[0] != 0),
            Ty::Pointer => Decoded::Pointer(unsigned(bytes)),
            Ty::Ip => {
                let address = u128::from(unsigned(&bytes[..8])) << 64 | u128::from(unsigned(&bytes[8..]));
                Decoded::Text(krsi_abi::value::show_address(address))
            }
            Ty::Str { .. } => {
                let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                Decoded::Text(String::from_utf8_lossy(&bytes[..end]).into_owned())
            }
            Ty::Int { signed: true, .. } => Decoded::Signed(signed(bytes)),
            Ty::Int { .. } => Decoded::Unsigned(unsigned(bytes)),
            Ty::Names { names, signed: with_sign, .. } => {
                let value = if *with_sign { signed(bytes) } else { unsigned(bytes).cast_signed() };
                let bits = 8 * bytes.len() as u32;
                match self.manifest.names.get(*names as usize) {
                    Some(names) => Decoded::Names(name(names, value, bits, *with_sign)),
                    None => Decoded::Signed(value),
                }
            }
        })
    }

    /// The verdict as JSON has it, and its errno.
    fn verdict(&self) -> (&'static str, Option<String>) {
        let errno = errno_name(self.header.verdict.abs());
        match self.header.verdict {
            0 => ("allow", None),
            1.. => ("would_deny", Some(errno)),
            _ => ("deny", Some(errno)),
        }
    }

    /// One line; `wall` is the time of day as text.
    pub fn text(&self, policy: &str, wall: &str) -> String {
        let header = &self.header;
        let verdict = match self.verdict() {
            ("deny", Some(errno)) => format!("denied {errno}"),
            (_, Some(errno)) => format!("would deny {errno}"),
            (_, None) => "allowed".to_owned(),
        };
        let mut line = format!(
            "{wall} {policy}/{} {} {verdict}  {}[{}] uid={}",
            self.rule.name,
            self.hook(),
            escape(&String::from_utf8_lossy(header.comm())),
            header.tgid,
            header.uid,
        );
        for (name, value) in [("severity", &self.rule.severity), ("id", &self.rule.id)] {
            if let Some(value) = value {
                let _ = write!(line, " {name}={}", escape(value));
            }
        }
        if let Some(message) = self.rule.audit.as_ref().and_then(|audit| audit.message.as_ref()) {
            let _ = write!(line, "  \"{}\"", escape(message));
        }
        for (index, (field, value)) in self.fields().enumerate() {
            let _ = write!(line, "{}{}=", if index == 0 { "  " } else { " " }, field.name);
            let _ = match value {
                Decoded::Unknown => write!(line, "?"),
                Decoded::Unsigned(value) => write!(line, "{value}"),
                Decoded::Signed(value) => write!(line, "{value}"),
                Decoded::Bool(value) => write!(line, "{value}"),
                Decoded::Names(names) => write!(line, "{names}"),
                Decoded::Text(text) => write!(line, "\"{}\"", escape(&text)),
                Decoded::Pointer(address) => write!(line, "{address:#x}"),
            };
        }
        line
    }

    /// One JSON object; `wall` is the time in RFC 3339.
    pub fn json(&self, policy: &str, wall: &str) -> Value {
        let header = &self.header;
        let mut fields = Map::new();
        let mut unknown = Vec::new();
        for (field, value) in self.fields() {
            let value = match value {
                Decoded::Unknown => {
                    unknown.push(field.name.clone());
                    Value::Null
                }
                Decoded::Unsigned(value) => json!(value),
                Decoded::Signed(value) => json!(value),
                Decoded::Bool(value) => json!(value),
                Decoded::Names(text) | Decoded::Text(text) => json!(text),
                Decoded::Pointer(address) => json!(format!("{address:#x}")),
            };
            fields.insert(field.name.clone(), value);
        }
        let source = &self.rule.source;
        let (verdict, errno) = self.verdict();
        let mut event = json!({
            "time": wall,
            "boot_ns": header.time_ns,
            "policy": policy,
            "rule": self.rule.name,
            "hook": self.hook(),
            "source": source.to_string(),
            "doc": self.rule.doc,
            "message": self.rule.audit.as_ref().and_then(|audit| audit.message.as_ref()),
            "verdict": verdict,
            "severity": self.rule.severity,
            "tags": self.rule.tags,
            "id": self.rule.id,
            "kill": self.rule.kill,
            "errno": errno,
            "pid": header.pid,
            "tgid": header.tgid,
            "uid": header.uid,
            "gid": header.gid,
            "comm": String::from_utf8_lossy(header.comm()),
            "cgroup": header.cgroup,
            "lost": header.lost,
            "fields": fields,
            "unknown": unknown,
        });
        if let Some(limited) = self.limited() {
            event["limited"] = limited.into();
        }
        event
    }
}

fn unsigned(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_ne_bytes(word)
}

fn signed(bytes: &[u8]) -> i64 {
    let shift = 64 - 8 * bytes.len() as u32;
    (unsigned(bytes) << shift).cast_signed() >> shift
}

/// A value by its names: `READ|EXEC`, and what has none in hexadecimal behind them.
pub fn name(names: &Names, value: i64, bits: u32, signed: bool) -> String {
    if let Some((name, _)) = names.members.iter().find(|(_, known)| *known == value) {
        return name.clone();
    }
    let mask = u64::MAX >> (64 - bits.clamp(1, 64));
    if !names.flags {
        return if signed { value.to_string() } else { (value.cast_unsigned() & mask).to_string() };
    }
    let mut left = value.cast_unsigned() & mask;
    let mut parts = Vec::new();
    // Members of several bits stand before the bits that they contain.
    for (name, member) in &names.members {
        let member = member.cast_unsigned() & mask;
        if member != 0 && left & member == member {
            parts.push(name.clone());
            left &= !member;
        }
    }
    if left != 0 || parts.is_empty() {
        parts.push(format!("{left:#x}"));
    }
    parts.join("|")
}

/// Text that cannot command a terminal.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || c == '"' || c == '\\' {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prot() -> Names {
        let members = [("NONE", 0), ("READ", 1), ("WRITE", 2), ("EXEC", 4)];
        Names {
            name: "Prot".into(),
            flags: true,
            members: members.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        }
    }

    #[test]
    fn flags_print_by_name() {
        for (value, text) in [(0, "NONE"), (1, "READ"), (5, "READ|EXEC"), (0x105, "READ|EXEC|0x100"), (0x100, "0x100")]
        {
            assert_eq!(name(&prot(), value, 64, false), text);
        }
        assert_eq!(name(&prot(), -1, 32, true), "READ|WRITE|EXEC|0xfffffff8");
    }

    #[test]
    fn terminals_are_not_commanded() {
        assert_eq!(escape("a\x1b[2J\"b"), "a\\u{1b}[2J\\\"b");
    }

    #[test]
    fn signs_are_kept() {
        assert_eq!(signed(&[0xff]), -1);
        assert_eq!(signed(&[0xfe, 0xff, 0xff, 0xff]), -2);
        assert_eq!(unsigned(&[0xfe, 0xff]), 0xfffe);
    }
}
