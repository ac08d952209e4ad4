//! Round trips through [`Builder`] and [`Btf`], rejection of malformed input, and property tests that reading
//! never panics.

use proptest::prelude::*;

use super::*;

/// A blob with one type of each kind and forward references.
fn sample() -> Vec<u8> {
    let mut builder = Builder::new();
    let file = builder.reserve();
    let int = builder.int("int", 4, true);
    let long = builder.int("unsigned long", 8, false);
    let boolean = builder.add(Def::Int { name: "_Bool", bytes: 1, signed: false, boolean: true });
    let char = builder.int("char", 1, true);
    let pointer = builder.ptr(file);
    let name = builder.array(char, 16);
    let constant = builder.add(Def::Const(pointer));
    let alias = builder.add(Def::Typedef { name: "file_t", target: constant });
    let volatile = builder.add(Def::Volatile(int));
    let restrict = builder.add(Def::Restrict(pointer));
    let tagged = builder.add(Def::TypeTag { name: "user", target: char });
    let forward = builder.add(Def::Fwd { name: "key", union: false });
    let float = builder.add(Def::Float { name: "double", bytes: 8 });
    let member = |name, ty, bit_offset, bitfield_bits| Member { name, ty, bit_offset, bitfield_bits };
    let inner = [member("start", long, 0, 0), member("rcu", int, 0, 0)];
    let inner = builder.add(Def::Union { name: "", bytes: 8, members: &inner });
    let members = [
        member("", inner, 64, 0),
        member("low", int, 128, 3),
        member("high", volatile, 131, 29),
        member("name", name, 160, 0),
    ];
    builder.define(file, Def::Struct { name: "file", bytes: 40, members: &members });
    let values = [("NONE", 0), ("LAST", -1)];
    let signed = builder.add(Def::Enum { name: "state", bytes: 4, signed: true, values: &values });
    let values = [("ALL", 0xffff_ffff)];
    builder.add(Def::Enum { name: "bits", bytes: 4, signed: false, values: &values });
    let values = [("HUGE", 1 << 40)];
    builder.add(Def::Enum64 { name: "wide", bytes: 8, signed: false, values: &values });
    let param = |name, ty| Param { name, ty };
    let params = [
        param("file", alias),
        param("flag", boolean),
        param("from", restrict),
        param("to", tagged),
        param("at", float),
    ];
    let proto = builder.add(Def::FuncProto { ret: signed, params: &params });
    builder.add(Def::Func { name: "open", proto, linkage: Linkage::Global });
    let var = builder.add(Def::Var { name: "keys", ty: forward, linkage: Linkage::Global });
    let vars = [SectionVar { ty: var, offset: 0, bytes: 8 }];
    builder.add(Def::Datasec { name: ".maps", bytes: 8, vars: &vars });
    builder.finish()
}

/// Calls every reader method on all ids and one beyond.
fn exercise(btf: &Btf) {
    for id in btf.ids().chain([TypeId::VOID, TypeId(btf.len()), TypeId(u32::MAX)]) {
        let name = btf.name(id).to_owned();
        let _ = (btf.ty(id), btf.strip(id), btf.size(id));
        for member in btf.members(id).rev() {
            let _ = field(btf, id, member.name);
        }
        let _ = field_names(btf, id);
        let _ = (btf.values(id).count(), btf.params(id).len());
        if let Some(found) = btf.find(btf.kind(id), &name) {
            assert_eq!(btf.name(found), name);
        }
        let _ = btf.find_all(btf.kind(id), &name);
    }
    let kernel = crate::kernel::Kernel::new("forged", btf.clone());
    let names: Vec<_> = kernel.hook_names().collect();
    assert!(names.iter().all(|name| kernel.hook(name).is_some()));
    let _ = Btf::parse(crate::kernel::cut::cut(btf)).expect("a cut is closed");
}

#[test]
fn written_types_read_back() {
    let btf = Btf::parse(sample()).expect("sound");
    let file = btf.find(Kind::Struct, "file").expect("defined");
    assert_eq!(btf.ty(file), Type::Struct { name: "file", bytes: 40 });
    let members: Vec<_> =
        btf.members(file).map(|member| (member.name, member.bit_offset, member.bitfield_bits)).collect();
    assert_eq!(members, [("", 64, 0), ("low", 128, 3), ("high", 131, 29), ("name", 160, 0)]);
    let start = field(&btf, file, "start").expect("in the anonymous union");
    assert_eq!((start.spec().as_str(), start.bit_offset), ("0:0:0", 64));
    let high = field(&btf, file, "high").expect("a bitfield");
    assert_eq!((high.spec().as_str(), high.bit_offset, high.bitfield_bits), ("0:2", 131, 29));
    assert_eq!((high.within, start.within == file), (file, false));
    assert_eq!(btf.size(field(&btf, file, "name").expect("an array").ty), 16);

    let values = |name| {
        let id = btf.find(Kind::Enum, name).or_else(|| btf.find(Kind::Enum64, name));
        btf.values(id.expect("an enum")).collect::<Vec<_>>()
    };
    assert_eq!(values("state"), [("NONE", 0), ("LAST", -1)]);
    assert_eq!(values("bits"), [("ALL", 0xffff_ffff)]);
    assert_eq!(values("wide"), [("HUGE", 1 << 40)]);

    let Type::Func { proto, .. } = btf.ty(btf.find(Kind::Func, "open").expect("defined")) else {
        panic!("a function");
    };
    let first = btf.params(proto).next().expect("a parameter");
    assert_eq!(btf.ty(btf.strip(first.ty)), Type::Ptr(file));
    assert_eq!(btf.find_all(Kind::Func, "op"), [btf.find(Kind::Func, "open").expect("defined")]);
    exercise(&btf);
}

#[test]
fn negative_value_implies_signed_enum_without_flags() {
    let mut builder = Builder::new();
    builder.add(Def::Enum { name: "old", bytes: 4, signed: false, values: &[("LAST", -1)] });
    let btf = Btf::parse(builder.finish()).expect("sound");
    assert_eq!(btf.values(TypeId(1)).collect::<Vec<_>>(), [("LAST", -1)]);
}

#[test]
fn output_is_deterministic() {
    assert_eq!(sample(), sample());
}

#[test]
fn dangling_references_are_reported() {
    let mut builder = Builder::new();
    builder.add(Def::Ptr(TypeId(7)));
    let error = Btf::parse(builder.finish()).expect_err("dangling");
    assert_eq!(error.to_string(), "type 1 of the BTF refers to type 7, which does not exist");
}

#[test]
fn cycles_terminate() {
    let mut builder = Builder::new();
    let one = builder.reserve();
    let two = builder.add(Def::Typedef { name: "two", target: one });
    builder.define(one, Def::Const(two));
    let index = builder.int("int", 4, true);
    let array = builder.reserve();
    builder.define(array, Def::Array { element: array, index, count: 2 });
    let nest = builder.reserve();
    let itself = [Member { name: "", ty: nest, bit_offset: 8, bitfield_bits: 0 }; 3];
    builder.define(nest, Def::Struct { name: "nest", bytes: 8, members: &itself });
    let members = [Member { name: "loop", ty: one, bit_offset: 0, bitfield_bits: 0 }];
    builder.add(Def::Struct { name: "task_struct", bytes: 8, members: &members });
    let btf = Btf::parse(builder.finish()).expect("each reference exists");
    assert_eq!(btf.strip(one), TypeId::VOID);
    assert_eq!(btf.size(array), 0);
    assert_eq!(field(&btf, nest, "x"), None);
    assert!(crate::hir::place::field(&btf, nest, "x").is_none());
    exercise(&btf);
}

#[test]
fn other_data_is_rejected() {
    assert_eq!(Btf::parse(*b"").err(), Some(BtfError::NotBtf));
    assert_eq!(Btf::parse(*b"text that is longer than a header").err(), Some(BtfError::NotBtf));
    assert_eq!(Btf::parse([0xeb, 0x9f, 1, 0]).err(), Some(BtfError::ByteOrder));
    assert_eq!(Btf::open(*b"\x7fELF").map_err(|error| matches!(error, OpenError::Elf(_))).err(), Some(true));
}

#[test]
fn btf_section_of_elf_file_is_read() {
    let elf = |section: Option<&[u8]>| {
        let mut out = object::write::Object::new(
            object::BinaryFormat::Elf,
            object::Architecture::Bpf,
            object::Endianness::Little,
        );
        if let Some(bytes) = section {
            let id = out.add_section(Vec::new(), b".BTF".to_vec(), object::SectionKind::Other);
            out.append_section_data(id, bytes, 4);
        }
        out.write().expect("sound")
    };
    let btf = Btf::open(elf(Some(&sample()))).expect("the section is sound");
    assert!(btf.find(Kind::Struct, "file").is_some());
    assert_eq!(Btf::open(elf(None)).err(), Some(OpenError::NoSection));
    assert_eq!(Btf::open(elf(Some(b"no"))).err(), Some(OpenError::Btf(BtfError::NotBtf)));
}

#[test]
fn truncated_btf_is_rejected() {
    let whole = sample();
    for length in 0..whole.len() {
        assert!(Btf::parse(&whole[..length]).is_err(), "{length} bytes of {}", whole.len());
    }
}

proptest! {
    #[test]
    fn forged_bytes_never_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = sample();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(btf) = Btf::open(bytes) {
            exercise(&btf);
        }
    }

    #[test]
    fn forged_words_never_panic(at in 6usize..200, value in 0u32..40, kind in 0u32..32) {
        let mut bytes = sample();
        let at = at * 4;
        if let Some(word) = bytes.get_mut(at..at + 4) {
            word.copy_from_slice(&(value | (kind << 24)).to_le_bytes());
        }
        if let Ok(btf) = Btf::parse(bytes) {
            exercise(&btf);
        }
    }

    #[test]
    fn small_references_never_panic(at in 6usize..200, value in 0u32..40) {
        let mut bytes = sample();
        let at = at * 4;
        if let Some(word) = bytes.get_mut(at..at + 4) {
            word.copy_from_slice(&value.to_le_bytes());
        }
        if let Ok(btf) = Btf::parse(bytes) {
            exercise(&btf);
        }
    }
}
