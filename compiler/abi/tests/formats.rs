//! The formats that the compiler and the loader share, with hand-written bytes and texts.
//!
//! There is one test for each module of the crate. Tests that build a policy and read it back would miss a
//! fault here, because both sides would agree on it. Absent: the rationale of the formats, which the modules
//! document.

use krsi_abi::event::Header;
use krsi_abi::labels::Object;
use krsi_abi::manifest::{Manifest, ManifestError, Part, Period, Source, Ty};
use krsi_abi::set::{self, Place};
use krsi_abi::value::{self, Network, NoNetwork};
use krsi_abi::{event, renamed};

#[test]
fn record_headers() {
    let mut bytes = Vec::new();
    for word in [1u64, 2 << 32 | 3, 4 << 32 | 5, 6] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(7u32.to_ne_bytes());
    bytes.extend((-13i32).to_ne_bytes());
    bytes.extend(8u64.to_ne_bytes());
    bytes.extend(9u64.to_ne_bytes());
    bytes.extend(*b"sixteen letters!");
    let expected = Header {
        time_ns: 1,
        pid: 3,
        tgid: 2,
        uid: 5,
        gid: 4,
        cgroup: 6,
        rule: 7,
        verdict: -13,
        undecided: false,
        lost: 8,
        unknown: 9,
        comm: *b"sixteen letters!",
    };
    assert_eq!(Header::read(&bytes), Some(expected));
    assert_eq!(bytes.len(), 72);
    assert_eq!(Header::read(&bytes[..71]), None);
    // A name of 16 bytes has no NUL.
    assert_eq!(expected.comm(), b"sixteen letters!");
    let short = Header { comm: *b"sh\0\0rest\0\0\0\0\0\0\0\0", ..expected };
    assert_eq!((short.comm(), Header { comm: [0; 16], ..short }.comm()), (&b"sh"[..], &b""[..]));
    assert_eq!((event::HEADER_BYTES, event::FIELDS_MAX), (72, 64));
}

#[test]
fn label_maps() {
    for (on, word, map, key_bytes, eight, nine) in [
        (Object::Task, "task", "krs_tasks", 8, 16, 24),
        (Object::Inode, "inode", "krs_inodes", 16, 8, 16),
        (Object::Socket, "socket", "krs_socks", 8, 8, 16),
    ] {
        assert_eq!((on.word(), on.map(), on.key_bytes()), (word, map, key_bytes));
        // One byte per label, in whole words; a task's value has another word for `former`.
        assert_eq!((on.value_bytes(1), on.value_bytes(8), on.value_bytes(9)), (eight, eight, nine));
        assert_eq!(Object::named(word), Some(on));
    }
    assert_eq!((Object::named("file"), Object::ALL.len()), (None, 3));
}

#[test]
fn map_names() {
    assert_eq!(set::map_name("hosts"), "krs_set_hosts");
    assert_eq!(krsi_abi::parts_map("file_open"), "krs_parts_file_open");
    // The counters of lost events, 8 bytes each, precede those of written ones.
    assert_eq!((krsi_abi::written_at(0), krsi_abi::written_at(3)), (0, 24));
}

#[test]
fn renamed_hooks() {
    let names = |hook| renamed::names(hook).collect::<Vec<_>>();
    assert_eq!(names("file_open"), ["file_open"]);
    assert_eq!(names("bpf_map_create"), ["bpf_map_create", "bpf_map_alloc_security"]);
    assert_eq!(names("task_getlsmprop_obj"), ["task_getlsmprop_obj", "task_getsecid_obj", "task_getsecid"]);
    // An older name does not resolve to a newer one.
    assert_eq!(names("task_getsecid"), ["task_getsecid"]);
    for (hook, newest) in [
        ("bpf_prog_alloc_security", "bpf_prog_load"),
        ("bpf_prog_free_security", "bpf_prog_free"),
        ("bpf_map_free_security", "bpf_map_free"),
        ("task_getsecid", "task_getlsmprop_obj"),
        ("task_getsecid_obj", "task_getlsmprop_obj"),
        ("inode_getsecid", "inode_getlsmprop"),
        ("ipc_getsecid", "ipc_getlsmprop"),
        ("current_getsecid_subj", "current_getlsmprop_subj"),
        ("file_open", "file_open"),
    ] {
        assert_eq!(renamed::newest(hook), newest);
    }
}

#[test]
fn key_columns() {
    let at = |word, shift| Place { word, shift };
    for (bytes, places) in [
        (&[1][..], Some((1, vec![at(0, 0)]))),
        (&[4, 2, 2], Some((1, vec![at(0, 0), at(0, 32), at(0, 48)]))),
        (&[1, 1, 8], Some((2, vec![at(0, 0), at(0, 8), at(1, 0)]))),
        // No column spans two words.
        (&[4, 2, 4], Some((2, vec![at(0, 0), at(0, 32), at(1, 0)]))),
        (&[8, 8, 8], Some((3, vec![at(0, 0), at(1, 0), at(2, 0)]))),
        // An address occupies the last two words.
        (&[16], Some((2, vec![at(0, 0)]))),
        (&[16, 4, 4], Some((3, vec![at(1, 0), at(0, 0), at(0, 32)]))),
        (&[4, 16, 2], Some((3, vec![at(0, 0), at(1, 0), at(0, 32)]))),
        (&[16, 8, 1], None),
        (&[16, 16], None),
        (&[8, 8, 8, 8], None),
        (&[], None),
    ] {
        assert_eq!(set::places(bytes), places, "{bytes:?}");
    }
    // A single number has a word to itself.
    assert_eq!((set::dynamic_bytes(&[2]), set::dynamic_bytes(&[16])), (vec![8], vec![16]));
    assert_eq!(set::dynamic_bytes(&[2, 4]), [2, 4]);
}

#[test]
fn set_keys() {
    let key = |bytes: &[u32], parts: &[u128]| {
        let (words, places) = set::places(bytes).expect("there is room");
        set::key(bytes, &places, words, parts.iter().copied())
    };
    assert_eq!(key(&[2], &[0x1_2345]), [0x2345, 0, 0]);
    assert_eq!(key(&[8], &[u128::MAX]), [u64::MAX, 0, 0]);
    assert_eq!(key(&[4, 2, 1], &[1, 2, 3]), [1 | 2 << 32 | 3 << 48, 0, 0]);
    // A negative number does not overwrite neighbouring columns.
    assert_eq!(key(&[4, 4], &[u128::MAX, 0]), [0xffff_ffff, 0, 0]);
    assert_eq!(key(&[4, 4], &[0, u128::MAX]), [0xffff_ffff << 32, 0, 0]);
    assert_eq!(key(&[16, 2], &[7 << 64 | 9, 443]), [443, 7, 9]);
}

#[test]
fn networks() {
    let v4 = |address: u128, bits: u32| Network { low: 0xffff << 32 | address, bits: 96 + bits };
    assert_eq!(value::network("10.0.0.0/8"), Ok(v4(0x0a00_0000, 8)));
    assert_eq!(value::network("10.1.2.3"), Ok(v4(0x0a01_0203, 32)));
    assert_eq!(value::network("0.0.0.0/0"), Ok(v4(0, 0)));
    assert_eq!(value::network("fe80::/10"), Ok(Network { low: 0xfe80 << 112, bits: 10 }));
    assert_eq!(value::network("10.0.0.0/32"), Ok(v4(0x0a00_0000, 32)));
    for (text, why) in [
        ("10.0.0.0/33", NoNetwork::TooManyBits { most: 32 }),
        ("::/129", NoNetwork::TooManyBits { most: 128 }),
        ("::1/127", NoNetwork::HostBits(Network { low: 0, bits: 127 })),
        ("10.0.0.0/", NoNetwork::Malformed),
        ("10.0.0.0/00008", NoNetwork::Malformed),
        ("10.0.0.0/-1", NoNetwork::Malformed),
        ("/8", NoNetwork::Malformed),
    ] {
        assert_eq!(value::network(text), Err(why), "{text}");
    }
    // The last address of a network.
    assert_eq!(v4(0x0a00_0000, 8).high(), 0xffff << 32 | 0x0aff_ffff);
    assert_eq!(v4(5, 32).high(), v4(5, 32).low);
    assert_eq!(Network { low: 0, bits: 0 }.high(), u128::MAX);
    for (network, text) in [
        (v4(0x0a00_0000, 8), "10.0.0.0/8"),
        (v4(0x0a00_0001, 32), "10.0.0.1"),
        (v4(0, 0), "0.0.0.0/0"),
        // A network larger than all of IPv4 prints as IPv6.
        (Network { low: 0xfffe << 32, bits: 95 }, "::fffe:0:0/95"),
        (Network { low: 0, bits: 0 }, "::/0"),
        (Network { low: 1, bits: 128 }, "::1"),
        (Network { low: 0x2001_0db8 << 96, bits: 32 }, "2001:db8::/32"),
    ] {
        assert_eq!(network.to_string(), text);
    }
    assert_eq!((value::address("10.0.0.1"), value::address("::2")), (Some(0xffff_0a00_0001), Some(2)));
    assert_eq!((value::address("10.0.0"), value::address("10.0.0.1/8")), (None, None));
    assert_eq!((value::show_address(0xffff_7f00_0001), value::show_address(1)), ("127.0.0.1".into(), "::1".into()));
}

#[test]
fn numbers_and_names() {
    for (text, number) in [
        ("0", Some(0)),
        ("-1", Some(-1)),
        ("0x2A", Some(42)),
        ("0o17", Some(15)),
        ("0b101", Some(5)),
        ("1_000", Some(1000)),
        ("-0x10", Some(-16)),
        ("18446744073709551615", Some(i128::from(u64::MAX))),
        ("18446744073709551616", None),
        ("0o8", None),
        ("0b2", None),
        ("0xg", None),
        ("_", None),
        ("1 ", None),
        ("1.5", None),
    ] {
        assert_eq!(value::integer(text), number, "{text}");
    }
    let members = [("READ".to_owned(), 1), ("WRITE".to_owned(), 2), ("ALL".to_owned(), -1)];
    for (text, flags, value) in [
        ("READ", false, Ok(1)),
        (" READ ", false, Ok(1)),
        ("ALL", false, Ok(-1)),
        ("7", false, Ok(7)),
        ("READ|WRITE", true, Ok(3)),
        ("READ | 0x10", true, Ok(17)),
        ("READ|WRITE", false, Err("READ|WRITE")),
        ("READ|", true, Err("")),
        ("READ|EXEC", true, Err("EXEC")),
        ("read", true, Err("read")),
    ] {
        assert_eq!(value::named(text, flags, &members), value, "{text}");
    }
    for (line, rest) in [("a # b", "a "), ("# b", ""), ("a#b", "a#b"), ("a\t#b", "a\t"), ("a#b #c", "a#b "), ("", "")] {
        assert_eq!(value::strip_comment(line), rest, "{line}");
    }
}

#[test]
fn type_sizes() {
    for (ty, bytes) in [
        (Ty::Int { bytes: 2, signed: true }, 2),
        (Ty::Names { names: 0, bytes: 4, signed: false }, 4),
        (Ty::Str { bytes: 64 }, 64),
        (Ty::Bool, 1),
        (Ty::Pointer, 8),
        (Ty::Ip, 16),
    ] {
        assert_eq!(ty.bytes(), bytes, "{ty:?}");
    }
    let number = Part::Number(Ty::Int { bytes: 2, signed: false });
    let parts = [number, Part::Ip, Part::Cidr, Part::Str, Part::Path];
    assert_eq!(parts.map(|part| part.bytes()), [2, 16, 16, 256, 256]);
}

#[test]
fn periods_and_sources() {
    for (period, text, ns) in [
        (Period::Second, "s", 1_000_000_000),
        (Period::Minute, "m", 60_000_000_000),
        (Period::Hour, "h", 3_600_000_000_000),
    ] {
        assert_eq!((period.letter(), period.to_string(), period.ns()), (text, text.to_owned(), ns));
    }
    let source = Source { file: "p.krs".into(), line: 3, column: 1, text: String::new() };
    assert_eq!(source.to_string(), "p.krs:3:1");
}

#[test]
fn manifest_encoding() {
    let bytes = Manifest { policy: "p".into(), ..Manifest::default() }.to_bytes();
    let json = br#"{"producer":"","policy":"p","programs":[],"rules":[],"names":[],"kernels":[]}"#;
    // Magic, version, encoding, length, JSON payload.
    let head = [b"KRSI".as_slice(), &[4, 0, 0, 0], &(json.len() as u32).to_le_bytes()].concat();
    assert_eq!(bytes, [&head[..], json].concat());
    let read = |bytes: &[u8]| Manifest::from_bytes(bytes);
    // The value of a map may be longer.
    assert_eq!(read(&[&bytes[..], &[0; 9]].concat()).expect("it is whole").policy, "p");
    assert!(matches!(read(b"KRS"), Err(ManifestError::NotAManifest)));
    assert!(matches!(read(b"KRSJ\x04\0\0\0\0\0\0\0"), Err(ManifestError::NotAManifest)));
    assert!(matches!(read(&bytes[..11]), Err(ManifestError::Truncated { have: 11, need: 12 })));
    let need = bytes.len();
    assert!(matches!(
        read(&bytes[..need - 1]),
        Err(ManifestError::Truncated { have, need: all }) if have == need - 1 && all == need
    ));
    let mut newer = bytes.clone();
    newer[5] = 1;
    assert!(matches!(read(&newer), Err(ManifestError::Version { found: 260 })));
    let mut damaged = bytes;
    damaged[12] = b'[';
    assert!(matches!(read(&damaged), Err(ManifestError::Malformed(_))));
}

/// The rules of a policy that is not in force have no effect and keep their modes.
#[test]
fn modes_of_policies_that_are_not_in_force() {
    use krsi_abi::manifest::Rule;
    use krsi_abi::modes::{Mode, Modes, Stage};
    let rule = |name: &str| Rule { name: name.into(), deny: Some(1), ..Rule::default() };
    let manifest = Manifest { rules: vec![rule("a"), rule("b"), rule("c")], ..Manifest::default() };
    let modes = Modes { policy: Mode::Enforce, rules: vec![Mode::Enforce, Mode::Enforce, Mode::Off] };
    let value = modes.value(&manifest);
    assert_eq!(value, [0, 0, 3, 0, 0, 2, 0]);
    let mut pending = value.clone();
    Modes::disable(&mut pending, Stage::Pending);
    assert_eq!(pending, [3, 3, 3, 0, 0, 2, 0x40]);
    assert_eq!((Modes::stage(&value), Modes::stage(&pending)), (Stage::InForce, Stage::Pending));
    assert_eq!(Modes::read(&pending, 3), Some(modes));
    // The rules of a policy in mode `off` have no effect, but the policy is in force.
    assert_eq!((Modes::stage(&[3, 3, 3, 0, 0, 2, 2]), Modes::stage(&[])), (Stage::InForce, Stage::InForce));
    assert_eq!((Modes::bytes(0), Modes::bytes(3)), (0, 7));
}
