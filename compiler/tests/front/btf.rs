//! Hand-made BTF: every kind reads back as it was written, and corrupt input is rejected.

use krsic::btf::{Btf, Builder, Def, Kind, Linkage, Member, Type, TypeId, field, field_names};

fn member(name: &str, ty: TypeId, bit_offset: u32) -> Member<'_> {
    Member { name, ty, bit_offset, bitfield_bits: 0 }
}

#[test]
fn encoding_of_a_small_type() {
    let mut builder = Builder::new();
    assert_eq!(builder.int("int", 4, true), TypeId(1));
    let bytes = builder.finish();
    // include/uapi/linux/btf.h: struct btf_header, struct btf_type, and the word of BTF_KIND_INT.
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut wanted = vec![0x9f, 0xeb, 1, 0];
    // hdr_len, type_off, type_len, str_off, str_len.
    wanted.extend(words(&[24, 0, 16, 16, 5]));
    // name_off 1, kind 1 in bits 24 to 28, size 4; encoding BTF_INT_SIGNED (1) in bits 24 to 27, 32 bits.
    wanted.extend(words(&[1, 1 << 24, 4, 1 << 24 | 32]));
    wanted.extend(b"\0int\0");
    assert_eq!(bytes, wanted);
}

#[test]
fn fields_of_anonymous_members() {
    let mut builder = Builder::new();
    let long = builder.int("long", 8, true);
    // struct s { int before; union { long a; struct { int b; int c; }; }; long last; };
    let int = builder.int("int", 4, true);
    let inner = builder.add(Def::Struct { name: "", bytes: 8, members: &[member("b", int, 0), member("c", int, 32)] });
    let middle = builder.add(Def::Union { name: "", bytes: 8, members: &[member("a", long, 0), member("", inner, 0)] });
    let all = [member("before", int, 0), member("", middle, 64), member("last", long, 128)];
    let s = builder.add(Def::Struct { name: "s", bytes: 24, members: &all });
    let btf = Btf::parse(builder.finish()).expect("valid");
    let found = |name: &str| field(&btf, s, name).map(|path| (path.spec(), path.bit_offset, btf.size(path.ty)));
    for (name, spec, bits, bytes) in [
        ("before", "0:0", 0, 4),
        ("a", "0:1:0", 64, 8),
        ("b", "0:1:1:0", 64, 4),
        ("c", "0:1:1:1", 96, 4),
        ("last", "0:2", 128, 8),
    ] {
        assert_eq!(found(name), Some((spec.to_owned(), bits, bytes)), "{name}");
    }
    assert_eq!(found("d"), None);
    assert_eq!(found(""), None);
    let mut names = field_names(&btf, s);
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "before", "c", "last"]);
}

#[test]
fn every_kind_reads_back() {
    let mut builder = Builder::new();
    let int = builder.int("int", 4, true);
    let byte = builder.int("u8", 1, false);
    let boolean = builder.add(Def::Int { name: "bool", bytes: 1, signed: false, boolean: true });
    let pointer = builder.ptr(int);
    let array = builder.array(byte, 7);
    let forward = builder.add(Def::Fwd { name: "later", union: true });
    let alias = builder.add(Def::Typedef { name: "int_t", target: int });
    let constant = builder.add(Def::Const(alias));
    let volatile = builder.add(Def::Volatile(constant));
    let restrict = builder.add(Def::Restrict(volatile));
    let tag = builder.add(Def::TypeTag { name: "rcu", target: restrict });
    let float = builder.add(Def::Float { name: "double", bytes: 8 });
    let small = builder.add(Def::Enum { name: "small", bytes: 4, signed: true, values: &[("MINUS", -1), ("ONE", 1)] });
    let large = builder.add(Def::Enum64 { name: "large", bytes: 8, signed: false, values: &[("TOP", 1 << 62)] });
    let proto = builder.add(Def::FuncProto { ret: int, params: &[] });
    let function = builder.add(Def::Func { name: "f", proto, linkage: Linkage::Static });
    let btf = Btf::parse(builder.finish()).expect("sound");
    let kinds = [
        (int, Kind::Int),
        (pointer, Kind::Ptr),
        (array, Kind::Array),
        (forward, Kind::Fwd),
        (alias, Kind::Typedef),
        (constant, Kind::Const),
        (volatile, Kind::Volatile),
        (restrict, Kind::Restrict),
        (tag, Kind::TypeTag),
        (float, Kind::Float),
        (small, Kind::Enum),
        (large, Kind::Enum64),
        (proto, Kind::FuncProto),
        (function, Kind::Func),
    ];
    for (id, kind) in kinds {
        assert_eq!(btf.kind(id), kind, "{id:?}");
    }
    assert!(matches!(btf.ty(int), Type::Int { name: "int", bytes: 4, signed: true, .. }));
    assert!(matches!(btf.ty(byte), Type::Int { name: "u8", bytes: 1, signed: false, .. }));
    assert!(matches!(btf.ty(boolean), Type::Int { name: "bool", bytes: 1, .. }));
    assert_eq!(btf.ty(pointer), Type::Ptr(int));
    assert!(matches!(btf.ty(array), Type::Array { element, count: 7 } if element == byte));
    // Qualifiers, tags and typedefs are skipped.
    assert_eq!([alias, constant, volatile, restrict, tag].map(|id| btf.strip(id)), [int; 5]);
    assert_eq!([int, array, pointer, alias, float, small, large].map(|id| btf.size(id)), [4, 7, 8, 4, 8, 4, 8]);
    assert_eq!(btf.values(small).collect::<Vec<_>>(), [("MINUS", -1), ("ONE", 1)]);
    assert_eq!(btf.values(large).collect::<Vec<_>>(), [("TOP", 1 << 62)]);
    assert_eq!(btf.find(Kind::Enum, "small"), Some(small));
    assert_eq!(btf.find(Kind::Struct, "small"), None);
    assert_eq!(btf.find(Kind::Typedef, "int"), None);
    assert_eq!(btf.find_all(Kind::Typedef, "int"), [alias]);
}

/// A header or record that is inconsistent with the data is an error, regardless of what follows.
#[test]
fn corrupt_headers_are_rejected() {
    let mut builder = Builder::new();
    let int = builder.int("int", 4, true);
    builder.add(Def::Struct { name: "s", bytes: 4, members: &[member("a", int, 0)] });
    let sound = builder.finish();
    assert!(Btf::parse(sound.clone()).is_ok());
    let changed = |at: usize, word: u32| {
        let mut bytes = sound.clone();
        bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        Btf::parse(bytes)
    };
    let word = |at: usize| u32::from_le_bytes(sound[at..at + 4].try_into().expect("four bytes"));
    // Magic and version; lengths and offsets of the two sections that exceed the data.
    assert!(changed(0, word(0) ^ 1).is_err());
    assert!(changed(0, word(0) ^ 1 << 16).is_err());
    for (at, what) in [(4, "header"), (8, "types"), (12, "types"), (16, "strings"), (20, "strings")] {
        assert!(changed(at, u32::MAX).is_err(), "{what} at {at}");
        assert!(changed(at, word(at) + 4096).is_err(), "{what} at {at}");
    }
    // The string section begins and ends with NUL.
    let mut open = sound.clone();
    *open.last_mut().expect("bytes") = b'x';
    assert!(Btf::parse(open).is_err());
    // A name offset beyond the strings, an unknown kind, and a struct with more members than there is data.
    let types = 24;
    assert!(changed(types, 4096).is_err());
    assert!(changed(types + 4, 31 << 24).is_err());
    let second = types + 16;
    assert!(changed(second + 4, 4 << 24 | 9).is_err());
}
