//! An object, parsed and relocated for a kernel as libbpf does.
//!
//! Invariants: every relocation of the file is resolved, or its instruction is marked as [`Link::Missing`] and
//! faults when executed; functions are identified by their symbols.
//!
//! Absent: addresses of maps and data, which [`super::machine`] assigns.

use std::collections::BTreeMap;

use krsi_abi::manifest::{Manifest, Need};
use krsi_abi::modes::MODES_SECTION;
use object::{Object as _, ObjectSection as _, ObjectSymbol as _, RelocationTarget, SymbolKind};

use super::core;
use crate::btf::{Btf, Kind, Type, field};
use crate::isa::{Insn, class, mode, size};
use crate::kernel::Kernel;
use crate::object::lower::PARTS_MEMBER;

/// A program or a function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its symbol in the file.
    pub name: String,
    /// Instructions, after CO-RE relocation.
    pub insns: Vec<Insn>,
    /// References to maps, data and functions, by slot.
    pub links: BTreeMap<usize, Link>,
}

/// The target that an instruction refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Index of a map.
    Map(usize),
    /// Index of a data section; the instruction contains the offset.
    Data(usize),
    /// Index of a function.
    Function(usize),
    /// A description of what this kernel lacks.
    Missing(String),
}

/// A map, as declared in the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Its symbol in the file.
    pub name: String,
    /// Map type, from `enum bpf_map_type`.
    pub kind: u32,
    /// Size of a key in bytes.
    pub key: usize,
    /// Size of a value in bytes.
    pub value: usize,
    /// Maximum number of entries; for a ring buffer, its size in bytes.
    pub entries: usize,
}

/// A data section of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Name of the section.
    pub name: String,
    /// Contents when the object is loaded.
    pub bytes: Vec<u8>,
    /// True if programs may write to it.
    pub writable: bool,
}

/// An object, relocated for one kernel.
#[derive(Clone, Debug)]
pub struct Image {
    /// Programs and functions, in symbol order.
    pub functions: Vec<Function>,
    /// Maps, in the order of the `.maps` section.
    pub maps: Vec<Map>,
    /// Sections of constants, state and modes.
    pub data: Vec<Data>,
    /// The manifest of the object, decoded.
    pub manifest: Manifest,
    /// Index of the function of each program, by symbol.
    pub programs: BTreeMap<String, usize>,
}

impl Image {
    /// Parses an object and relocates it for a kernel.
    ///
    /// # Errors
    /// A description of why a loader would reject it.
    pub fn new(bytes: &[u8], kernel: &Kernel) -> Result<Image, String> {
        let file = object::File::parse(bytes).map_err(|error| error.to_string())?;
        let section = |name: &str| {
            let section = file.section_by_name(name).ok_or_else(|| format!("missing section `{name}`"))?;
            section.data().map_err(|error| error.to_string())
        };
        let btf = Btf::parse(section(".BTF")?.to_vec()).map_err(|error| error.to_string())?;
        let manifest = section(krsi_abi::MANIFEST_SECTION)?;
        let manifest = Manifest::from_bytes(manifest).map_err(|error| error.to_string())?;
        let maps = maps(&btf)?;
        let mut image = Image { functions: Vec::new(), maps, data: Vec::new(), manifest, programs: BTreeMap::new() };
        // Index of each function, by section and first slot.
        let mut starts: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut data: BTreeMap<usize, usize> = BTreeMap::new();
        for section in file.sections() {
            let name = section.name().map_err(|error| error.to_string())?;
            let constants = name.starts_with(krsi_abi::CONSTANTS_SECTION) && name != krsi_abi::MANIFEST_SECTION;
            let state = name == krsi_abi::STATE_SECTION;
            if constants || state || name == MODES_SECTION {
                let mut bytes = section.uncompressed_data().map_err(|error| error.to_string())?.into_owned();
                bytes.resize(section.size() as usize, 0);
                data.insert(section.index().0, image.data.len());
                image.data.push(Data { name: name.to_owned(), bytes, writable: state });
            }
        }
        for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text) {
            let Some(index) = symbol.section_index() else { continue };
            let section = file.section_by_index(index).map_err(|error| error.to_string())?;
            let code = section.data().map_err(|error| error.to_string())?;
            let range = symbol.address() as usize..(symbol.address() + symbol.size()) as usize;
            let code = code.get(range).ok_or("a function exceeds its section")?;
            let name = symbol.name().map_err(|error| error.to_string())?.to_owned();
            let at = image.functions.len();
            starts.insert((index.0, symbol.address() as usize / 8), at);
            let section = section.name().map_err(|error| error.to_string())?;
            if section.starts_with("lsm") {
                image.programs.insert(name.clone(), at);
            }
            image.functions.push(Function { name, insns: insns(code)?, links: BTreeMap::new() });
        }
        // Maps a slot of a section to a function and the slot within it.
        let within = |section: usize, slot: usize| {
            let ((_, start), function) = starts
                .range((section, 0)..=(section, slot))
                .next_back()
                .ok_or("a relocation is outside of all functions")?;
            Ok::<_, String>((*function, slot - start))
        };
        for section in file.sections() {
            for (offset, relocation) in section.relocations() {
                let RelocationTarget::Symbol(symbol) = relocation.target() else {
                    return Err("a relocation has no symbol".to_owned());
                };
                let symbol = file.symbol_by_index(symbol).map_err(|error| error.to_string())?;
                let to = symbol.section_index().ok_or("a symbol has no section")?;
                let name = symbol.name().map_err(|error| error.to_string())?;
                let link = if let Some(map) = image.maps.iter().position(|map| map.name == name) {
                    Link::Map(map)
                } else if let Some(data) = data.get(&to.0) {
                    Link::Data(*data)
                } else if let Some(function) = starts.get(&(to.0, symbol.address() as usize / 8)) {
                    Link::Function(*function)
                } else {
                    return Err(format!("`{name}` is neither a map nor data nor a function"));
                };
                let (function, slot) = within(section.index().0, offset as usize / 8)?;
                image.functions[function].links.insert(slot, link);
            }
        }
        image.disable_rules(kernel);
        let sections: BTreeMap<String, usize> =
            file.sections().filter_map(|section| Some((section.name().ok()?.to_owned(), section.index().0))).collect();
        for core in core_relocations(section(".BTF.ext")?, &btf)? {
            let section = sections.get(core.section).ok_or("a CO-RE relocation has an unknown section")?;
            let (function, slot) = within(*section, core.slot)?;
            let function = &mut image.functions[function];
            let value = core::resolve(&btf, &kernel.btf, core.ty, core.spec, core.kind)?;
            let insn = function.insns.get_mut(slot).ok_or("a CO-RE relocation exceeds its function")?;
            match (value, insn.code & 7) {
                (None, _) => {
                    let what = format!("field or enumerator `{}` of `{}`", core.spec, btf.name(core.ty));
                    function.links.insert(slot, Link::Missing(what));
                }
                (Some(value), class::ALU | class::ALU64) => {
                    insn.imm = i32::try_from(value.cast_signed())
                        .or_else(|_| u32::try_from(value).map(u32::cast_signed))
                        .map_err(|_| format!("{value} does not fit into an immediate"))?;
                }
                (Some(value), class::LDX | class::ST | class::STX) => {
                    insn.off = i16::try_from(value).map_err(|_| format!("{value} does not fit into an offset"))?;
                    // The width of a load is adapted to the field's width on this kernel.
                    let bytes = |of: &Btf| core::resolve(&btf, of, core.ty, core.spec, core::FIELD_BYTE_SIZE);
                    let (here, there) = (bytes(&btf)?, bytes(&kernel.btf)?);
                    if core.kind == core::FIELD_BYTE_OFFSET && here != there {
                        let width = match there {
                            Some(1) => size::B,
                            Some(2) => size::H,
                            Some(4) => size::W,
                            Some(8) => size::DW,
                            other => return Err(format!("a load cannot be {other:?} bytes wide")),
                        };
                        insn.code = insn.code & !size::DW | width;
                    }
                }
                (Some(_), _) => return Err("a CO-RE relocation does not apply to this instruction".to_owned()),
            }
        }
        Ok(image)
    }
}

impl Image {
    /// Disables the rules with `@since` that this kernel is too old for, as `krsi` does.
    fn disable_rules(&mut self, kernel: &Kernel) {
        let Some(constants) = self.data.iter_mut().find(|data| data.name == krsi_abi::CONSTANTS_SECTION) else {
            return;
        };
        for since in self.manifest.rules.iter().filter_map(|rule| rule.since.as_ref()) {
            let version = |text: &str| {
                let (major, minor) = text.split_once('.')?;
                Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
            };
            let old = version(&kernel.name).is_some_and(|version| version < since.version);
            if since.by_number && old || !since.needs.iter().all(|need| meets(kernel, need)) {
                let at = since.switch as usize;
                constants.bytes[at..at + 8].fill(0);
            }
        }
    }
}

fn meets(kernel: &Kernel, need: &Need) -> bool {
    let btf = &kernel.btf;
    match need {
        Need::Hook(hook) => kernel.has_hook(hook),
        Need::Argument { hook, name } => kernel.hook(hook).is_some_and(|hook| hook.arg(name).is_some()),
        Need::Field { of, path } => {
            let root = btf.find(Kind::Struct, of).or_else(|| btf.find(Kind::Union, of));
            let mut at = root;
            for name in path {
                at = at.and_then(|at| Some(field(btf, at, name)?.ty));
            }
            at.is_some()
        }
        Need::Enumerator { of, name } => [Kind::Enum, Kind::Enum64]
            .into_iter()
            .filter_map(|kind| btf.find(kind, of))
            .any(|of| btf.values(of).any(|(known, _)| known == name)),
    }
}

fn insns(code: &[u8]) -> Result<Vec<Insn>, String> {
    if !code.len().is_multiple_of(8) {
        return Err("a function ends within an instruction".to_owned());
    }
    let insn = |bytes: &[u8]| Insn {
        code: bytes[0],
        dst: bytes[1] & 15,
        src: bytes[1] >> 4,
        off: i16::from_le_bytes([bytes[2], bytes[3]]),
        imm: i32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    };
    Ok(code.chunks_exact(8).map(insn).collect())
}

/// Returns true if an instruction takes two slots.
pub(super) fn is_wide(insn: Insn) -> bool {
    insn.code == class::LD | mode::IMM | size::DW
}

/// Parses the map declarations, in which each number is the length of an array.
fn maps(btf: &Btf) -> Result<Vec<Map>, String> {
    let mut maps = Vec::new();
    let Some(section) = btf.find(Kind::Datasec, ".maps") else { return Ok(maps) };
    for variable in btf.variables(section) {
        let mut map = Map { name: btf.name(variable).to_owned(), kind: 0, key: 0, value: 0, entries: 0 };
        for member in btf.members(btf.strip(btf.target(variable))) {
            let number = match btf.ty(member.ty) {
                Type::Ptr(array) => match btf.ty(btf.strip(array)) {
                    Type::Array { count, .. } => count,
                    _ => return Err(format!("`{}` of the map `{}` is not a number", member.name, map.name)),
                },
                _ => return Err(format!("`{}` of the map `{}` is not a number", member.name, map.name)),
            };
            match member.name {
                "type" => map.kind = number,
                "key_size" => map.key = number as usize,
                "value_size" => map.value = number as usize,
                "max_entries" => map.entries = number as usize,
                "map_flags" | PARTS_MEMBER => {}
                other => return Err(format!("unknown map attribute `{other}`")),
            }
        }
        maps.push(map);
    }
    Ok(maps)
}

struct Relocation<'b> {
    section: &'b str,
    slot: usize,
    ty: crate::btf::TypeId,
    spec: &'b str,
    kind: u32,
}

/// Parses the CO-RE relocations in `.BTF.ext`; see `Documentation/bpf/btf.rst`, section 4.
fn core_relocations<'b>(bytes: &[u8], btf: &'b Btf) -> Result<Vec<Relocation<'b>>, String> {
    let short = || "`.BTF.ext` ends too early".to_owned();
    let word = |at: usize| {
        let bytes = bytes.get(at..at + 4).ok_or_else(short)?;
        Ok::<_, String>(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let (head, offset, length) = (word(4)? as usize, word(24)? as usize, word(28)? as usize);
    let (mut at, end) = (head + offset, head + offset + length);
    let mut found = Vec::new();
    if length == 0 {
        return Ok(found);
    }
    let record = word(at)? as usize;
    at += 4;
    while at < end {
        let (section, count) = (btf.string(word(at)?), word(at + 4)?);
        at += 8;
        for _ in 0..count {
            found.push(Relocation {
                section,
                slot: word(at)? as usize / 8,
                ty: crate::btf::TypeId(word(at + 4)?),
                spec: btf.string(word(at + 8)?),
                kind: word(at + 12)?,
            });
            at += record;
        }
    }
    Ok(found)
}
