//! Decodes ring buffer records to text and JSON, using the manifest of the policy that wrote them.
//!
//! ```text
//! 12:30:01.123456 no-exec/file_mprotect@1:1 file_mprotect denied EPERM  bash[811] uid=0  prot=READ|EXEC
//! ```
//!
//! Strings in a record can be chosen by any program, so [`crate::terminal`] escapes them. A string that is not UTF-8 has
//! `\xff` for each wrong byte in text; in JSON it has U+FFFD, and its bytes follow in hexadecimal:
//!
//! ```text
//! "fields":{"file.name":"a\ufffd"},"field_bytes":{"file.name":"61ff"}
//! ```

use std::fmt::Write;

use krsi_abi::event::{HEADER_BYTES, Header};
use krsi_abi::manifest::{Field, Manifest, Names, Rule, Ty};
use serde_json::{Map, Value, json};

use crate::list::errno_name;
use crate::terminal::{escape, escape_bytes, hex, word};

/// A record with its rule and manifest.
#[derive(Debug)]
pub struct Event<'m> {
    /// The fixed header of the record.
    pub header: Header,
    /// The rule that wrote the record.
    pub rule: &'m Rule,
    manifest: &'m Manifest,
    record: Vec<u8>,
}

/// The decoded value of a field.
enum Decoded {
    Unknown,
    Unsigned(u64),
    Signed(i64),
    Bool(bool),
    Names(String),
    Address(String),
    Text(Vec<u8>),
    Pointer(u64),
}

impl<'m> Event<'m> {
    /// Parses a record; `None` if it does not belong to this manifest.
    pub fn read(manifest: &'m Manifest, record: &[u8]) -> Option<Event<'m>> {
        let header = Header::read(record)?;
        let rule = manifest.rules.get(header.rule as usize)?;
        // A rule without `audit` records `would deny` with the header alone, and so does an undecided one.
        let alone = header.undecided && header.verdict > 0;
        let bytes = rule.audit.as_ref().filter(|_| !alone).map_or(HEADER_BYTES, |audit| audit.bytes);
        (record.len() >= bytes as usize).then(|| Event { header, rule, manifest, record: record.to_vec() })
    }

    /// Total number of the rule's events over its limit, if it has one.
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
                Decoded::Address(krsi_abi::value::show_address(address))
            }
            Ty::Str { .. } => {
                let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
                Decoded::Text(bytes[..end].to_vec())
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

    /// The verdict as in JSON, and its errno.
    fn verdict(&self) -> (&'static str, Option<String>) {
        let errno = errno_name(self.header.verdict.abs());
        match self.header.verdict {
            0 => ("allow", None),
            1.. => ("would_deny", Some(errno)),
            _ => ("deny", Some(errno)),
        }
    }

    /// Formats the event as one line; `wall` is the time as text.
    pub fn text(&self, policy: &str, wall: &str) -> String {
        let header = &self.header;
        let verdict = match self.verdict() {
            ("deny", Some(errno)) => format!("denied {errno}"),
            (_, Some(errno)) => format!("would deny {errno}"),
            (_, None) => "allowed".to_owned(),
        };
        let verdict = if header.undecided { format!("{verdict} (undecided)") } else { verdict };
        let mut line = format!(
            "{wall} {policy}/{} {} {verdict}  {}[{}] uid={}",
            self.rule.name,
            self.hook(),
            word(header.comm()),
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
                Decoded::Address(address) => write!(line, "\"{address}\""),
                Decoded::Text(text) => write!(line, "\"{}\"", escape_bytes(&text)),
                Decoded::Pointer(address) => write!(line, "{address:#x}"),
            };
        }
        line
    }

    /// Formats the event as a JSON object; `wall` is the time in RFC 3339.
    pub fn json(&self, policy: &str, wall: &str) -> Value {
        let header = &self.header;
        let (mut fields, mut field_bytes) = (Map::new(), Map::new());
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
                Decoded::Names(text) | Decoded::Address(text) => json!(text),
                Decoded::Text(text) => {
                    if std::str::from_utf8(&text).is_err() {
                        field_bytes.insert(field.name.clone(), hex(&text).into());
                    }
                    json!(String::from_utf8_lossy(&text))
                }
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
            "undecided": header.undecided,
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
        if !field_bytes.is_empty() {
            event["field_bytes"] = field_bytes.into();
        }
        if std::str::from_utf8(header.comm()).is_err() {
            event["comm_bytes"] = hex(header.comm()).into();
        }
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

/// Formats a value by name: `READ|EXEC|0x100`, with bits that have no name in hexadecimal at the end.
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
    // The manifest lists members of several bits before the bits that they contain.
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

#[cfg(test)]
pub mod tests {
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
    fn signs_are_kept() {
        assert_eq!(signed(&[0xff]), -1);
        assert_eq!(signed(&[0xfe, 0xff, 0xff, 0xff]), -2);
        assert_eq!(unsigned(&[0xfe, 0xff]), 0xfffe);
    }

    use krsi_abi::manifest::{Audit, Limit, Period, Program, Source};

    /// A record: the header as described in `krsi_abi::event`, followed by `rest`.
    pub fn record(rule: u32, verdict: i32, unknown: u64, rest: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [5_000_000_123u64, 811 << 32 | 815, 1001 << 32 | 1000, 77] {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(rule.to_ne_bytes());
        bytes.extend(verdict.to_ne_bytes());
        bytes.extend(9u64.to_ne_bytes());
        bytes.extend(unknown.to_ne_bytes());
        bytes.extend(*b"bash\0rest of it\0");
        assert_eq!(bytes.len(), 72);
        bytes.extend(rest);
        bytes
    }

    fn field(name: &str, ty: Ty, offset: u32) -> Field {
        Field { name: name.into(), ty, offset }
    }

    /// Rule 0 records a field of each type, rule 1 has no `audit`, rule 2 has a limit.
    pub fn manifest() -> Manifest {
        let program = |hook: &str| Program { hook: hook.into(), ..Program::default() };
        let source = |line| Source { file: "p.krs".into(), line, column: 3, text: "on ...".into() };
        let fields = vec![
            field("size", Ty::Int { bytes: 8, signed: false }, 72),
            field("delta", Ty::Int { bytes: 4, signed: true }, 80),
            field("port", Ty::Int { bytes: 2, signed: false }, 84),
            field("on", Ty::Bool, 86),
            field("off", Ty::Bool, 87),
            field("prot", Ty::Names { names: 0, bytes: 8, signed: false }, 88),
            field("file.name", Ty::Str { bytes: 8 }, 96),
            field("dst.ip", Ty::Ip, 104),
            field("at", Ty::Pointer, 120),
        ];
        let audit = |message: Option<&str>, fields, bytes, limit| Audit {
            message: message.map(str::to_owned),
            fields,
            bytes,
            limit,
        };
        let limit = Limit { count: 5, per: Period::Minute, offset: 72 };
        Manifest {
            names: vec![prot()],
            programs: vec![program("file_open"), program("file_mprotect")],
            rules: vec![
                Rule {
                    name: "all".into(),
                    program: 1,
                    source: source(1),
                    doc: Some("why".into()),
                    severity: Some("high".into()),
                    tags: vec!["t1".into(), "t2".into()],
                    id: Some("X-1".into()),
                    deny: Some(13),
                    kill: Some("SIGKILL".into()),
                    audit: Some(audit(Some("say \"it\""), fields, 128, None)),
                    ..Rule::default()
                },
                Rule { name: "bare".into(), program: 0, source: source(2), deny: Some(1), ..Rule::default() },
                Rule {
                    name: "limited".into(),
                    program: 0,
                    source: source(3),
                    audit: Some(audit(
                        None,
                        vec![field("uid", Ty::Int { bytes: 4, signed: false }, 80)],
                        88,
                        Some(limit),
                    )),
                    ..Rule::default()
                },
            ],
            ..Manifest::default()
        }
    }

    /// Values of the fields of rule 0.
    pub fn fields() -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(u64::MAX.to_ne_bytes());
        bytes.extend((-7i32).to_ne_bytes());
        bytes.extend(65535u16.to_ne_bytes());
        bytes.extend([1, 0]);
        bytes.extend(5u64.to_ne_bytes());
        bytes.extend(*b"a\n\"b\0xyz");
        bytes.extend(0u64.to_ne_bytes());
        // ::ffff:10.0.0.1
        bytes.extend(0x0000_ffff_0a00_0001u64.to_ne_bytes());
        bytes.extend(0xffff_8881_0000_1000u64.to_ne_bytes());
        bytes
    }

    #[test]
    fn events_as_text() {
        let manifest = manifest();
        let text = |record: &[u8]| Event::read(&manifest, record).expect("it is a record").text("p", "12:30");
        assert_eq!(
            text(&record(0, -13, 0, &fields())),
            r#"12:30 p/all file_mprotect denied EACCES  bash[811] uid=1000 severity=high id=X-1  "say \"it\""  size=18446744073709551615 delta=-7 port=65535 on=true off=false prot=READ|EXEC file.name="a\n\"b" dst.ip="10.0.0.1" at=0xffff888100001000"#
        );
        assert_eq!(text(&record(1, 1, 0, &[])), "12:30 p/bare file_open would deny EPERM  bash[811] uid=1000");
        let limited = [3u64.to_ne_bytes(), 42u64.to_ne_bytes()].concat();
        assert_eq!(text(&record(2, 0, 0, &limited)), "12:30 p/limited file_open allowed  bash[811] uid=1000  uid=42");
        // Bit i of the mask marks field i as unknown.
        let unknown = text(&record(0, 0, 0b1_0100_0001, &fields()));
        let end = r#"size=? delta=-7 port=65535 on=true off=false prot=READ|EXEC file.name=? dst.ip="10.0.0.1" at=?"#;
        assert!(unknown.ends_with(end), "{unknown}");
    }

    #[test]
    fn events_as_json() {
        let manifest = manifest();
        let json = |record: &[u8]| Event::read(&manifest, record).expect("it is a record").json("p", "12:30");
        let expected = json!({
            "time": "12:30",
            "boot_ns": 5_000_000_123u64,
            "policy": "p",
            "rule": "all",
            "hook": "file_mprotect",
            "source": "p.krs:1:3",
            "doc": "why",
            "message": "say \"it\"",
            "verdict": "deny",
            "severity": "high",
            "tags": ["t1", "t2"],
            "id": "X-1",
            "kill": "SIGKILL",
            "errno": "EACCES",
            "undecided": false,
            // `pid` is the thread, `tgid` the process.
            "pid": 815,
            "tgid": 811,
            "uid": 1000,
            "gid": 1001,
            "comm": "bash",
            "cgroup": 77,
            "lost": 9,
            "fields": {
                "size": u64::MAX,
                "delta": -7,
                "port": null,
                "on": true,
                "off": false,
                "prot": "READ|EXEC",
                "file.name": "a\n\"b",
                "dst.ip": "10.0.0.1",
                "at": "0xffff888100001000",
            },
            "unknown": ["port"],
        });
        assert_eq!(json(&record(0, -13, 0b100, &fields())), expected);
        let bare = json(&record(1, 30, 0, &[]));
        assert_eq!((&bare["verdict"], &bare["errno"]), (&json!("would_deny"), &json!("EROFS")));
        assert_eq!((&bare["fields"], &bare["message"], &bare["kill"]), (&json!({}), &Value::Null, &Value::Null));
        assert_eq!(bare.get("limited"), None);
        let undecided = json(&record(1, -30 + krsi_abi::event::UNDECIDED, 0, &[]));
        assert_eq!((&undecided["verdict"], &undecided["undecided"]), (&json!("deny"), &json!(true)));
        let header_alone = json(&record(0, 13 + krsi_abi::event::UNDECIDED, 0, &[]));
        assert_eq!((&header_alone["verdict"], &header_alone["fields"]["size"]), (&json!("would_deny"), &Value::Null));
        assert_eq!(header_alone["unknown"].as_array().map(Vec::len), Some(9));
        let limited = json(&record(2, 0, 0, &[3u64.to_ne_bytes(), 42u64.to_ne_bytes()].concat()));
        assert_eq!((&limited["verdict"], &limited["errno"]), (&json!("allow"), &Value::Null));
        assert_eq!((&limited["limited"], &limited["fields"]), (&json!(3), &json!({ "uid": 42 })));
    }

    #[test]
    fn records_of_other_policies_are_not_read() {
        let manifest = manifest();
        assert!(Event::read(&manifest, &record(3, 0, 0, &fields())).is_none(), "there is no rule 3");
        let short = &fields()[..55];
        assert!(Event::read(&manifest, &record(0, 0, 0, short)).is_none(), "it has 127 of 128 bytes");
        assert!(Event::read(&manifest, &record(0, 0, 0, &[])[..71]).is_none(), "its head is cut off");
        // Trailing bytes are ignored.
        assert!(Event::read(&manifest, &record(1, 0, 0, &[0; 8])).is_some());
    }

    /// A field outside its record is unknown, and one whose names are missing prints as a number.
    #[test]
    fn invalid_fields() {
        let mut manifest = manifest();
        manifest.names.clear();
        if let Some(audit) = &mut manifest.rules[0].audit {
            audit.fields = vec![
                field("out", Ty::Int { bytes: 8, signed: false }, 124),
                field("prot", Ty::Names { names: 0, bytes: 8, signed: false }, 88),
                field("full", Ty::Str { bytes: 4 }, 72),
            ];
        }
        let bytes = record(0, 0, 0, &[b"text".as_slice(), &fields()[4..]].concat());
        let text = Event::read(&manifest, &bytes).expect("it is long enough").text("p", "t");
        // A string that fills its array has no NUL.
        assert!(text.ends_with("  out=? prot=5 full=\"text\""), "{text}");
    }

    #[test]
    fn names_of_values() {
        let level = Names {
            name: "Level".into(),
            flags: false,
            members: [("LOW", -1), ("MID", 0), ("HIGH", 255)].map(|(name, value)| (name.to_owned(), value)).to_vec(),
        };
        for (value, bits, signed, text) in [
            (-1, 32, true, "LOW"),
            (0, 32, true, "MID"),
            (255, 8, false, "HIGH"),
            // Values of an enum are not combined.
            (254, 8, false, "254"),
            (-2, 32, true, "-2"),
            (-2, 32, false, "4294967294"),
            (-2, 64, false, "18446744073709551614"),
        ] {
            assert_eq!(name(&level, value, bits, signed), text, "{value} of {bits} bits");
        }
        // `RW` precedes the bits that it contains.
        let access = Names {
            name: "Access".into(),
            flags: true,
            members: [("RW", 3), ("R", 1), ("W", 2), ("ZERO", 0), ("TOP", 1 << 31)]
                .map(|(name, value)| (name.to_owned(), value))
                .to_vec(),
        };
        for (value, bits, text) in [
            (3, 32, "RW"),
            (2, 32, "W"),
            (7, 32, "RW|0x4"),
            (0x8000_0001, 32, "R|TOP"),
            (0x0001_0000_0001, 32, "R"),
            (0x0001_0000_0001, 64, "R|0x100000000"),
            (0, 32, "ZERO"),
        ] {
            assert_eq!(name(&access, value, bits, false), text, "{value:#x} of {bits} bits");
        }
        let unnamed = Names { name: "N".into(), flags: true, members: vec![] };
        assert_eq!(name(&unnamed, 0, 8, false), "0x0");
    }

    /// Names that imitate a line, and bytes that are not UTF-8.
    #[test]
    fn hostile_texts() {
        let mut manifest = manifest();
        if let Some(audit) = &mut manifest.rules[0].audit {
            audit.fields = vec![field("file.name", Ty::Str { bytes: 8 }, 72)];
        }
        let mut bytes = record(0, -1, 0, &[b"a\xff\xe2\x80\xaeb\0\0".as_slice(), &fields()].concat());
        bytes[56..72].copy_from_slice(b"e[1] uid=0\xff\0\0\0\0\0");
        let event = Event::read(&manifest, &bytes).expect("it is a record");
        let text = event.text("p", "t");
        assert!(text.contains(r#"denied EPERM  "e[1] uid=0\xff"[811] uid=1000 "#), "{text}");
        assert!(text.ends_with(r#"  file.name="a\xff\u{202e}b""#), "{text}");
        let json = event.json("p", "t");
        assert_eq!(json["fields"]["file.name"], "a\u{fffd}\u{202e}b");
        assert_eq!(json["field_bytes"], json!({ "file.name": "61ffe280ae62" }));
        assert_eq!(
            (&json["comm"], &json["comm_bytes"]),
            (&json!("e[1] uid=0\u{fffd}"), &json!("655b315d207569643d30ff"))
        );
        let plain = Event::read(&manifest, &record(1, 0, 0, &[])).expect("it is a record").json("p", "t");
        assert!(plain.get("comm_bytes").is_none() && plain.get("field_bytes").is_none());
    }

    #[test]
    fn numbers_of_all_widths() {
        assert_eq!(unsigned(&[]), 0);
        assert_eq!(unsigned(&[1]), 1);
        assert_eq!(unsigned(&0x0102_0304_0506_0708u64.to_ne_bytes()), 0x0102_0304_0506_0708);
        assert_eq!(signed(&[0x7f]), 127);
        assert_eq!(signed(&(-5i64).to_ne_bytes()), -5);
        assert_eq!(signed(&i16::MIN.to_ne_bytes()), -32768);
    }
}
