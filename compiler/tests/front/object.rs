//! The object file, read back: sections, symbols, relocations, and the tables of `.BTF.ext`, which are compared
//! with the text of the policy.
//!
//! The formats are those of Documentation/bpf/btf.rst, section 4, and of Documentation/bpf/linux-notes.rst. The
//! kernel requires the line records of a program to be sorted, to refer to the first slot of an instruction,
//! and to include the start of each function (`check_btf_line` in kernel/bpf/verifier.c).

use std::collections::{BTreeMap, BTreeSet};

use krsic::btf::{Btf, Kind, Type, TypeId};
use krsic::{Options, Source};
use object::elf::{R_BPF_64_32, R_BPF_64_64};
use object::read::elf::ElfFile64;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationFlags, RelocationTarget};

use crate::embedded;

fn build(text: &str) -> Vec<u8> {
    let files = [Source { name: "dir/policy.krs".into(), text: text.into() }];
    let built = krsic::build(&files, &Options { target: Some(embedded("6.12")), ..Options::default() });
    built.value.unwrap_or_else(|| panic!("{:?}", built.diagnostics)).object
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// A record of one of the three tables: the name of its section, and its words.
type Record = (String, Vec<u32>);

/// The parts of an object.
struct Parts {
    sections: BTreeMap<String, Vec<u8>>,
    btf: Btf,
    strings: Vec<u8>,
    functions: Vec<Record>,
    lines: Vec<Record>,
    core: Vec<Record>,
}

impl Parts {
    fn of(object: &[u8]) -> Parts {
        let file: ElfFile64<'_> = ElfFile64::parse(object).expect("an ELF file");
        let sections: BTreeMap<String, Vec<u8>> = file
            .sections()
            .map(|section| (section.name().unwrap_or("").to_owned(), section.data().unwrap_or_default().to_vec()))
            .collect();
        let btf = sections[".BTF"].clone();
        // struct btf_header: the strings begin at hdr_len + str_off.
        let strings = btf[(word(&btf, 4) + word(&btf, 16)) as usize..].to_vec();
        let mut parts = Parts {
            btf: Btf::parse(btf).expect("valid BTF"),
            strings,
            functions: Vec::new(),
            lines: Vec::new(),
            core: Vec::new(),
            sections,
        };
        let ext = parts.sections[".BTF.ext"].clone();
        // struct btf_ext_header: magic, version, flags, hdr_len, then offset and length of each table after the
        // header.
        assert_eq!((ext[0], ext[1], ext[2], ext[3]), (0x9f, 0xeb, 1, 0));
        assert_eq!(word(&ext, 4), 32);
        let table = |at: usize, record_bytes: u32| {
            let (from, bytes) = (32 + word(&ext, at) as usize, word(&ext, at + 4) as usize);
            parts.table(&ext[from..from + bytes], record_bytes)
        };
        let (functions, lines, core) = (table(8, 8), table(16, 16), table(24, 16));
        assert_eq!(
            ext.len() as u32,
            32 + word(&ext, 12) + word(&ext, 20) + word(&ext, 28),
            "no data follows the tables"
        );
        (parts.functions, parts.lines, parts.core) = (functions, lines, core);
        parts
    }

    fn table(&self, bytes: &[u8], record_bytes: u32) -> Vec<Record> {
        let mut found = Vec::new();
        if bytes.is_empty() {
            return found;
        }
        assert_eq!(word(bytes, 0), record_bytes);
        let mut at = 4;
        while at < bytes.len() {
            let (section, count) = (self.string(word(bytes, at)), word(bytes, at + 4));
            assert!(count > 0, "a section without records");
            at += 8;
            for _ in 0..count {
                let words = (0..record_bytes as usize / 4).map(|index| word(bytes, at + 4 * index)).collect();
                found.push((section.clone(), words));
                at += record_bytes as usize;
            }
        }
        found
    }

    fn string(&self, offset: u32) -> String {
        let rest = &self.strings[offset as usize..];
        let end = rest.iter().position(|byte| *byte == 0).expect("a NUL ends each string");
        String::from_utf8(rest[..end].to_vec()).expect("UTF-8")
    }

    /// The opcode at an offset, which must not be the second slot of a wide instruction.
    fn code(&self, section: &str, offset: u32) -> u8 {
        let code = &self.sections[section];
        assert_eq!(offset % 8, 0, "{section}+{offset}");
        let mut at = 0;
        while at < offset as usize {
            // BPF_LD | BPF_IMM | BPF_DW takes two slots.
            at += if code[at] == 0x18 { 16 } else { 8 };
        }
        assert_eq!(at, offset as usize, "{section}+{offset} is the second half of an instruction");
        code[at]
    }
}

impl Parts {
    /// The offset that the instruction at a place has: of a load or store, or the immediate.
    fn field(&self, section: &str, offset: u32) -> u32 {
        let code = &self.sections[section][offset as usize..];
        match code[0] & 7 {
            1..=3 => u32::from(u16::from_le_bytes([code[2], code[3]])),
            _ => word(code, 4),
        }
    }

    /// The offset of the field of an access string: the indexes of members and array elements.
    fn btf_offset(&self, mut id: TypeId, spec: &str) -> u32 {
        let mut offset = 0;
        for index in spec.split(':').skip(1).map(|index| index.parse::<u32>().expect("a number")) {
            id = self.btf.strip(id);
            if let Type::Array { element, .. } = self.btf.ty(id) {
                offset += index * layout(&self.btf, element).0;
                id = element;
            } else {
                let member = self.btf.members(id).nth(index as usize).expect("a member");
                offset += member.bit_offset / 8;
                id = member.ty;
            }
        }
        offset
    }
}

/// Checks all tables of an object against the source. Returns the number of line records that refer to the
/// source.
fn check(text: &str) -> usize {
    let object = build(text);
    let parts = Parts::of(&object);
    let file: ElfFile64<'_> = ElfFile64::parse(object.as_slice()).expect("an ELF file");
    let source: Vec<&str> = text.lines().collect();

    // Functions: each code symbol has a record at its offset, and a type with its name.
    let mut symbols: BTreeMap<(String, u32), String> = BTreeMap::new();
    for symbol in file.symbols().filter(|symbol| symbol.kind() == object::SymbolKind::Text) {
        let section = file.section_by_index(symbol.section_index().expect("defined here")).expect("a section");
        let place = (section.name().expect("a name").to_owned(), symbol.address() as u32);
        symbols.insert(place, symbol.name().expect("a name").to_owned());
    }
    let functions: BTreeMap<(String, u32), String> = parts
        .functions
        .iter()
        .map(|(section, words)| {
            let id = TypeId(words[1]);
            assert!(matches!(parts.btf.ty(id), Type::Func { .. }));
            ((section.clone(), words[0]), parts.btf.name(id).to_owned())
        })
        .collect();
    assert_eq!(functions, symbols);

    // Lines: sorted, at instruction boundaries, one at the start of each function.
    let mut before: BTreeMap<&str, u32> = BTreeMap::new();
    let mut of_text = 0;
    for (section, words) in &parts.lines {
        let [offset, name, line, place] = words[..] else { panic!("{words:?}") };
        if let Some(before) = before.insert(section, offset) {
            assert!(before < offset, "{section}: {before} precedes {offset}");
        }
        assert!((offset as usize) < parts.sections[section].len(), "{section}+{offset}");
        parts.code(section, offset);
        let (name, line) = (parts.string(name), parts.string(line));
        let (number, column) = (place >> 10, place & 1023);
        if name != "dir/policy.krs" {
            assert!(section == ".text" || name.starts_with("krsic:"), "{section}: {name}");
            continue;
        }
        of_text += 1;
        let known = source.get(number as usize - 1).unwrap_or_else(|| panic!("no line {number}"));
        assert_eq!(line, known.trim(), "line {number}");
        let at = known.chars().nth(column as usize - 1);
        assert!(column == 1023 || at.is_some_and(|c| !c.is_whitespace()), "column {column} of {known:?}");
    }
    for (section, start) in functions.keys() {
        let begins = parts.lines.iter().any(|(known, words)| known == section && words[0] == *start);
        assert!(begins, "no line at the start of {:?}", functions[&(section.clone(), *start)]);
    }

    // Relocations: the root type exists, and the instruction has a field to patch.
    for (section, words) in &parts.core {
        let [offset, ty, spec, kind] = words[..] else { panic!("{words:?}") };
        let code = parts.code(section, offset);
        let class = code & 7;
        // Loads are patched in the offset; BPF_ALU64 and BPF_ALU in the immediate; 0x18 is a wide move.
        assert!([1, 4, 7].contains(&class) || code == 0x18, "{section}+{offset}: {code:#x}");
        let id = TypeId(ty);
        let spec = parts.string(spec);
        assert!(spec.split(':').all(|index| index.parse::<u32>().is_ok()), "{spec}");
        match kind {
            0..=5 => {
                assert!(matches!(parts.btf.kind(id), Kind::Struct | Kind::Union) && spec.starts_with("0:"), "{spec}");
                if kind == 0 {
                    // libbpf refuses an instruction that does not have the offset of the declared type.
                    assert_eq!(parts.field(section, offset), parts.btf_offset(id, &spec), "{section}+{offset}: {spec}");
                }
            }
            10 | 11 => assert!(matches!(parts.btf.kind(id), Kind::Enum | Kind::Enum64), "{spec}"),
            other => panic!("unknown kind {other}"),
        }
    }
    check_layouts(&parts.btf);
    check_relocations(&file, &parts);
    of_text
}

/// Size and alignment of a type in bytes, as a C compiler lays it out.
fn layout(btf: &Btf, id: TypeId) -> (u32, u32) {
    let id = btf.strip(id);
    match btf.ty(id) {
        Type::Ptr { .. } => (8, 8),
        Type::Array { element, count, .. } => {
            let (bytes, align) = layout(btf, element);
            (bytes * count, align)
        }
        _ if matches!(btf.kind(id), Kind::Struct | Kind::Union) => {
            let align = btf.members(id).map(|member| layout(btf, member.ty).1).max();
            (btf.size(id), align.unwrap_or(1))
        }
        _ => (btf.size(id), btf.size(id).clamp(1, 8)),
    }
}

/// Checks that the members of structs are aligned and do not overlap, and that those of unions begin at 0.
fn check_layouts(btf: &Btf) {
    for id in btf.ids().filter(|id| matches!(btf.kind(*id), Kind::Struct | Kind::Union)) {
        let name = btf.name(id);
        let mut end = 0;
        for member in btf.members(id).filter(|member| member.bitfield_bits == 0) {
            let (bytes, align) = layout(btf, member.ty);
            assert_eq!(member.bit_offset % (8 * align), 0, "{name}.{} is aligned to {align}", member.name);
            let from = member.bit_offset / 8;
            match btf.kind(id) {
                Kind::Union => assert_eq!(from, 0, "{name}.{}", member.name),
                _ => assert!(from >= end, "{name}.{} begins at {from}, before {end}", member.name),
            }
            end = from + bytes;
            assert!(end <= btf.size(id), "{name}.{} ends at {end}", member.name);
        }
    }
}

/// Checks that wide moves are relocated to data, and calls to functions. Returns the number of relocations.
fn check_relocations(file: &ElfFile64<'_>, parts: &Parts) -> usize {
    let mut count = 0;
    for section in file.sections() {
        let name = section.name().unwrap_or("");
        if !name.starts_with("lsm/") && name != ".text" {
            continue;
        }
        let mut places = BTreeSet::new();
        for (offset, relocation) in section.relocations() {
            let RelocationTarget::Symbol(symbol) = relocation.target() else { panic!("a symbol") };
            let symbol = file.symbol_by_index(symbol).expect("a symbol");
            let code = parts.code(name, offset as u32);
            let RelocationFlags::Elf { r_type } = relocation.flags() else { panic!("ELF") };
            let wanted =
                if symbol.kind() == object::SymbolKind::Text { (0x85, R_BPF_64_32) } else { (0x18, R_BPF_64_64) };
            assert_eq!((code, r_type), wanted, "{name}+{offset}: {:?}", symbol.name());
            assert!(places.insert(offset), "{name}+{offset} is relocated twice");
            count += 1;
        }
    }
    count
}

#[test]
fn tables_of_small_policies() {
    for text in [
        "on file_open deny",
        "on file_open when task.uid == 0 deny audit { task.pid, file.path }",
        "# A comment.\n\n  on file_mprotect\n    when prot & EXEC and vma.file == null\n    deny EACCES\n    audit \"m\" { vma.start }\n\
         non_root: on bprm_check_security, file_open unless task.uid == 0\n  deny",
        "on bprm_check_security when any a in task.ancestors { a.comm == \"sshd\" } deny",
        "label l on task inherit\non file_open when file.path under \"/etc\" mark l\non socket_connect when task is l deny",
        "set s: cidr = { \"10.0.0.0/8\", \"192.168.0.0/16\" }\non socket_connect when dst.ip in s and dst.port == 443 deny kill",
        "on file_open when file.name == \"é\" and task.comm == \"ü\" deny # é\non locked_down when what == LOCKDOWN_KEXEC deny",
        "on file_open when task.comm[3] == 1 and task.nsproxy.mnt_ns.ns.inum == 7 deny",
        "on file_open when task.signal.rlim[7].rlim_max == 5 and task.signal.rlim[2].rlim_cur == 6 deny",
        "on path_unlink when dentry.d_u.d_alias.next != null and dentry.d_u.d_in_lookup_hash.next != null deny",
        "on file_open when file.inode.i_nlink == 2 and task.mm.context.vdso != null deny",
        "on task_alloc when clone_flags & 1 and first_of(task.__state, task.state) == 0 deny",
    ] {
        assert!(check(text) > 0, "{text}");
    }
}

/// The programs of a split hook share a section; the offsets of the later ones count from its start.
#[test]
fn tables_of_programs_that_share_a_section() {
    let rules: String = (1..1501).map(|at| format!("on file_open when file.f_flags & {} deny\n", 2 * at + 1)).collect();
    assert!(check(&rules) > 1000);
    let parts = Parts::of(&build(&rules));
    let of_hook = parts.functions.iter().filter(|(section, _)| section == "lsm/file_open").count();
    assert!(of_hook > 1, "the hook is split");
}

/// A line record stores 22 bits of line and 10 bits of column.
#[test]
fn columns_beyond_ten_bits() {
    let far = format!("on file_open when {}task.uid == 77 deny", " ".repeat(2000));
    assert!(check(&far) > 0);
    let column = |text: &str| {
        let parts = Parts::of(&build(text));
        parts.lines.iter().filter(|(section, _)| section != ".text").map(|(_, words)| words[3] & 1023).max()
    };
    assert_eq!(column(&far), Some(1023));
    let at = |column: usize| {
        format!("on file_open when{}task.uid == 77 deny", " ".repeat(column - 1 - "on file_open when".len()))
    };
    assert_eq!(column(&at(1022)), Some(1022));
    assert_eq!(column(&at(1023)), Some(1023));
    assert_eq!(column(&at(1024)), Some(1023));
}

/// Line records point to the condition that an instruction evaluates.
#[test]
fn lines_of_two_conditions() {
    let text = "on file_open\n  when task.uid == 77\n  deny\n\n    on file_open when task.gid == 88 audit";
    let parts = Parts::of(&build(text));
    let mut places: Vec<(u32, u32)> = parts
        .lines
        .iter()
        .filter(|(section, words)| section == "lsm/file_open" && parts.string(words[1]) == "dir/policy.krs")
        .map(|(_, words)| (words[3] >> 10, words[3] & 1023))
        .collect();
    places.sort_unstable();
    places.dedup();
    assert!(places.contains(&(2, 8)), "`task.uid == 77` is in line 2 from column 8: {places:?}");
    assert!(places.contains(&(5, 23)), "`task.gid == 88` is in line 5 from column 23: {places:?}");
}

#[test]
fn sections_and_symbols() {
    let text = "set s: cidr = { \"10.0.0.0/8\" }\nset d: u32 dynamic max 5\n\
                on socket_connect when dst.ip in s and task.uid in d deny audit limit 5/s\non task_free audit";
    let object = build(text);
    let file: ElfFile64<'_> = ElfFile64::parse(object.as_slice()).expect("an ELF file");
    assert_eq!(file.architecture(), object::Architecture::Bpf);
    assert!(file.is_little_endian());
    let parts = Parts::of(&object);
    let names: Vec<&str> = parts.sections.keys().map(String::as_str).collect();
    for name in [".maps", ".bss", ".data", "license", ".BTF", ".BTF.ext", "lsm/socket_connect", "lsm/task_free"] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    assert_eq!(parts.sections["license"], b"GPL\0");
    // libbpf finds maps through the types of the variables in `.maps`.
    let maps = parts.btf.find(Kind::Datasec, ".maps").expect("a section of maps");
    let declared: Vec<&str> = parts.btf.variables(maps).map(|id| parts.btf.name(id)).collect();
    let maps_section = file.section_by_name(".maps").expect("a section").index();
    let mut symbols: Vec<(u64, u64, &str)> = file
        .symbols()
        .filter(|symbol| symbol.section_index() == Some(maps_section) && !symbol.name().unwrap_or("").is_empty())
        .map(|symbol| (symbol.address(), symbol.size(), symbol.name().expect("a name")))
        .collect();
    symbols.sort_unstable();
    assert_eq!(symbols.iter().map(|symbol| symbol.2).collect::<Vec<_>>(), declared);
    for (index, (offset, bytes, name)) in symbols.iter().enumerate() {
        assert_eq!((*offset, *bytes), (40 * index as u64, 40), "{name}");
    }
    assert_eq!(parts.sections[".maps"].len(), 40 * symbols.len());
    assert!(declared.iter().any(|name| name.contains("krs_events")), "{declared:?}");
    let count = check_relocations(&file, &parts);
    assert!(count > 5, "{count}");
}
