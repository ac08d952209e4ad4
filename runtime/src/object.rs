//! Parsing, checking and patching of a `policy.o` before it is loaded.
//!
//! Arguments of hooks are bound to the slots of the running kernel: the manifest lists the instructions that load an
//! argument, and [`Object::bind`] rewrites their offsets. (An object loaded without `krsi` locates arguments by CO-RE
//! relocations, on every kernel that the compiler knew.)
//!
//! Invariant: the manifest of an [`Object`] agrees with its sections ([`Object::parse`] verifies this), so
//! indices and offsets in it are valid.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::path::Path;

use aya_obj::btf::BtfFeatures;
use krsi_abi::event::HEADER_BYTES;
use krsi_abi::manifest::{Audit, Manifest, ManifestError, Need, Part, Rule, Ty};
use krsi_abi::modes::{MODES_SECTION, Modes, Stage};
use krsi_abi::{EVENTS_MAP, MANIFEST_SECTION};
use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

use crate::failure::Failure;
use crate::input;
use crate::kernel::Kernel;
use crate::since::Inactive;
use crate::terminal::{escape, is_unsafe};

/// Opcode of a memory load without its size bits: `BPF_LDX | BPF_MEM`.
const LOAD: u8 = 0x61;
/// Mask of the size bits in the opcode of a load.
const LOAD_SIZE: u8 = 0x18;

/// Maximum size of a section. Real sections take some bytes, counters or instructions per rule. The loader
/// allocates the claimed size of a section, even if it has no bytes in the file.
const SECTION_BYTES_MAX: u64 = 64 << 20;

/// The object file of a policy.
#[derive(Debug)]
pub struct Object {
    /// The bytes of the ELF file.
    pub bytes: Vec<u8>,
    /// The manifest embedded in the file.
    pub manifest: Manifest,
}

impl Object {
    /// Reads and parses a file.
    pub fn open(path: &Path) -> Result<Object, Failure> {
        if !path.try_exists().unwrap_or(true) {
            let failure = Failure::usage(format!("file `{}` does not exist", path.display()));
            let source = path.with_extension("krs");
            return Err(match source.exists() {
                true => failure.help(format!("build it with `krsic build {}`", source.display())),
                false => failure,
            });
        }
        let bytes = input::read(path)?;
        Object::parse(bytes).map_err(|mut failure| {
            failure.message = format!("`{}` {}", path.display(), failure.message);
            if path.extension().is_some_and(|ending| ending == "krs") {
                failure.help = vec![format!("build it first with `krsic build {}`", path.display())];
            }
            failure
        })
    }

    /// Parses the bytes of a file. Messages are predicates: the caller prepends the path.
    pub fn parse(bytes: Vec<u8>) -> Result<Object, Failure> {
        if !bytes.starts_with(b"\x7fELF") {
            return Err(Failure::usage("is not an object: it is not an ELF file")
                .help("build an object with `krsic build policy.krs`"));
        }
        let damaged = |error: &dyn std::fmt::Display| {
            Failure::usage(format!("is damaged: {error}")).help("build it again with `krsic build`")
        };
        let file = object::File::parse(&*bytes).map_err(|error| damaged(&error))?;
        if file.architecture() != object::Architecture::Bpf {
            return Err(
                Failure::usage("is an ELF file, but not for BPF").help("build an object with `krsic build policy.krs`")
            );
        }
        // Sections that lie outside the file would fail later, in aya.
        for section in file.sections() {
            section.data().map_err(|error| damaged(&error))?;
            if section.size() > SECTION_BYTES_MAX {
                return Err(damaged(&"a section is far too large"));
            }
        }
        for symbol in file.symbols() {
            let within = symbol.section_index().is_none_or(|index| {
                let end = symbol.address().checked_add(symbol.size());
                file.section_by_index(index).is_ok_and(|section| end.is_some_and(|end| end <= section.size()))
            });
            if !within {
                return Err(damaged(&"a symbol lies outside its section"));
            }
        }
        let Some(section) = file.section_by_name(MANIFEST_SECTION) else {
            return Err(Failure::usage("is a BPF object, but not a policy: it has no manifest")
                .help("`krsi` loads only objects built by `krsic`; for others use `bpftool prog loadall`"));
        };
        let data = section.data().map_err(|error| damaged(&error))?;
        let manifest = Manifest::from_object(data, bytes.len()).map_err(|error| match error {
            ManifestError::Version { .. } => Failure::usage(format!("was built by another version of krsic: {error}"))
                .help("use a `krsi` and a `krsic` of the same version"),
            error => damaged(&error),
        })?;
        let object = Object { manifest, bytes: Vec::new() };
        object.verify(&file).map_err(|error| damaged(&error))?;
        catch_panics(|| check_with_aya(&bytes)).map_err(|error| damaged(&error))?;
        Ok(Object { bytes, ..object })
    }

    /// Checks that the manifest agrees with the sections.
    fn verify(&self, file: &object::File<'_>) -> Result<(), String> {
        let manifest = &self.manifest;
        if manifest.programs.is_empty() {
            return Err("it has no programs".into());
        }
        for program in &manifest.programs {
            let section = file
                .section_by_name(&program.section)
                .ok_or_else(|| format!("section `{}` is missing", program.section))?;
            let code = section.data().map_err(|error| error.to_string())?;
            if code.len() != 8 * program.instructions as usize {
                return Err(format!("section `{}` does not have the length in the manifest", program.section));
            }
            let symbol = |name: &str| file.symbols().any(|symbol| symbol.name() == Ok(name));
            if let Some(missing) = program.parts.iter().find(|part| !symbol(part)) {
                return Err(format!("program `{}` is missing", missing.escape_debug()));
            }
            for argument in &program.arguments {
                let opcode = code.get(8 * argument.instruction as usize);
                if opcode.is_none_or(|code| code & !LOAD_SIZE != LOAD) {
                    return Err(format!(
                        "section `{}` does not load `{}` at the instruction in the manifest",
                        program.section, argument.name
                    ));
                }
            }
        }
        let constants = file.section_by_name(krsi_abi::CONSTANTS_SECTION).map_or(0, |section| section.size());
        if manifest.params.iter().any(|param| u64::from(param.offset) + 8 > constants) {
            return Err("a parameter lies outside the constants".into());
        }
        if manifest.files.iter().any(|file| u64::from(file.offset) + 16 > constants) {
            return Err("a file lies outside the constants".into());
        }
        let switches = manifest.rules.iter().filter_map(|rule| rule.since.as_ref());
        if switches.clone().any(|since| u64::from(since.switch) + 8 > constants) {
            return Err("the switch of a rule lies outside the constants".into());
        }
        let sized =
            |ty: &Ty| !matches!(ty, Ty::Int { bytes, .. } | Ty::Names { bytes, .. } if !matches!(bytes, 1 | 2 | 4 | 8));
        if let Some(param) = manifest.params.iter().find(|param| !sized(&param.ty)) {
            return Err(format!("parameter `{}` has an invalid size", param.name));
        }
        for set in &manifest.sets {
            let fits = |part: &Part| match part {
                Part::Number(ty) => matches!(ty, Ty::Int { .. } | Ty::Names { .. }) && sized(ty),
                Part::Str | Part::Path => set.parts.len() == 1,
                Part::Ip | Part::Cidr => true,
            };
            // The name of a set becomes part of the name of its pin.
            let named =
                !set.name.is_empty() && set.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if !named || set.parts.is_empty() || !set.parts.iter().all(fits) {
                return Err(format!("set `{}` is invalid", set.name.escape_debug()));
            }
        }
        let state = file.section_by_name(krsi_abi::STATE_SECTION).map_or(0, |section| section.size());
        crate::labels::verify(manifest, state)?;
        let modes = file.section_by_name(MODES_SECTION).map_or(0, |section| section.size());
        if modes != Modes::bytes(manifest.rules.len()) as u64 {
            return Err("the number of modes differs from the number of rules".into());
        }
        if manifest.words.iter().any(|word| word.rule.0 as usize >= manifest.rules.len()) {
            return Err("a bitfield refers to a missing rule".into());
        }
        if manifest.rules.iter().any(|rule| rule.program as usize >= manifest.programs.len()) {
            return Err("a rule refers to a missing program".into());
        }
        verify_rules(manifest)?;
        verify_counters(manifest, state)?;
        let records = manifest.rules.iter().any(|rule| rule.audit.is_some() || rule.deny.is_some());
        if records && !file.symbols().any(|symbol| symbol.name() == Ok(EVENTS_MAP)) {
            return Err(format!("its rules record events, but it has no map `{EVENTS_MAP}`"));
        }
        Ok(())
    }

    /// Writes the initial modes of the policy, which is pending: no rule has an effect until the load has done all else.
    pub fn set_modes(&mut self, modes: &Modes) -> Result<(), Failure> {
        let mut value = modes.value(&self.manifest);
        Modes::disable(&mut value, Stage::Pending);
        match modes.rules.is_empty() {
            true => Ok(()),
            false => self.write(MODES_SECTION, 0, &value),
        }
    }

    /// Writes bytes to a section at an offset.
    pub fn write(&mut self, section: &str, at: u32, bytes: &[u8]) -> Result<(), Failure> {
        let start = || {
            let file = object::File::parse(&*self.bytes).ok()?;
            let (start, _) = file.section_by_name(section)?.file_range()?;
            usize::try_from(start).ok()
        };
        let start = start().map_or(usize::MAX, |start| start + at as usize);
        match self.bytes.get_mut(start..start.saturating_add(bytes.len())) {
            Some(place) => place.copy_from_slice(bytes),
            None => {
                return Err(Failure::usage(format!("the object is damaged: its section `{section}` is too short"))
                    .help("build it again with `krsic build`"));
            }
        }
        Ok(())
    }

    /// Checks that the containers of bitfields have the sizes that the programs load. CO-RE relocates the
    /// offset and shifts of a bitfield, but not the size of the load.
    pub fn check_bitfields(&self, kernel: &Kernel) -> Result<(), Failure> {
        for word in &self.manifest.words {
            let other = kernel.widths(&word.of, &word.path).into_iter().find(|bytes| *bytes != word.bytes);
            if let Some(bytes) = other {
                let rule = &self.manifest.rules[word.rule.0 as usize];
                return Err(Failure::refused(format!(
                    "rule `{}` would misread `{}` of `{}`: its container has {bytes} bytes here, the object expects {}",
                    rule.name,
                    word.path.join("."),
                    word.of,
                    word.bytes
                ))
                .note(format!("{}: {}", rule.source, rule.source.text))
                .note("none of the kernels that `krsic` checked the policy against has this layout")
                .help("build the policy on this machine, where `krsic build` uses the types of the running kernel"));
            }
        }
        Ok(())
    }

    /// Rewrites the loads of arguments to the kernel's slots. Skips programs that are `idle`, since they are
    /// not loaded, and arguments that the kernel lacks if only inactive rules read them.
    pub fn bind(&mut self, kernel: &Kernel, inactive: &[Inactive], idle: &[usize]) -> Result<(), Failure> {
        let mut patches = Vec::new();
        {
            let file = object::File::parse(&*self.bytes).map_err(|error| Failure::usage(error.to_string()))?;
            let programs = self.manifest.programs.iter().enumerate();
            for (_, program) in programs.filter(|(index, _)| !idle.contains(index)) {
                let hook = kernel.hook(&program.hook)?;
                let unread = |name: &str| {
                    let wants = |need: &Need| matches!(need, Need::Argument { hook, name: arg } if *hook == program.hook && arg == name);
                    let mut off = inactive.iter().filter_map(|off| self.manifest.rules[off.rule].since.as_ref());
                    off.any(|since| since.needs.iter().any(wants))
                };
                let Some((start, _)) = file.section_by_name(&program.section).and_then(|section| section.file_range())
                else {
                    continue;
                };
                for argument in &program.arguments {
                    // The 16-bit offset follows the opcode and the registers.
                    let at = start as usize + 8 * argument.instruction as usize + 2;
                    let Some((_, slot)) = hook.iter().find(|(name, _)| *name == argument.name) else {
                        if unread(&argument.name) {
                            patches.push((at, 0));
                            continue;
                        }
                        let has: Vec<String> = hook.iter().map(|(name, _)| format!("`{name}`")).collect();
                        return Err(Failure::refused(format!(
                            "the policy reads `{}` of `{}`, which this kernel's hook does not have",
                            argument.name, program.hook
                        ))
                        .note(format!("its arguments here: {}", has.join(", ")))
                        .help("run `krsic build` on this machine to find out what to change"));
                    };
                    patches.push((at, 8 * slot));
                }
            }
        }
        for (at, offset) in patches {
            if let (Some(place), Ok(offset)) = (self.bytes.get_mut(at..at + 2), i16::try_from(offset)) {
                place.copy_from_slice(&offset.to_le_bytes());
            }
        }
        Ok(())
    }
}

/// The largest errno that a hook can return (`MAX_ERRNO`).
const ERRNO_MAX: i32 = 4095;
/// Maximum number of fields of an event, of which each has a bit in the header.
const FIELDS_MAX: usize = 64;
/// Maximum length of a name in the manifest.
const NAME_BYTES_MAX: usize = 4096;

/// Returns true for a name of a hook, a section or an argument.
fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.len() <= 256 && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
}

/// Returns true for the name of a rule, a field or a label, which is printed as it is.
fn is_printable(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(is_unsafe)
}

/// Checks names, errnos and the layout of events.
fn verify_rules(manifest: &Manifest) -> Result<(), String> {
    for program in &manifest.programs {
        let arguments = program.arguments.iter().map(|argument| &argument.name);
        if let Some(name) =
            [&program.hook].into_iter().chain(&program.parts).chain(arguments).find(|name| !is_identifier(name))
        {
            return Err(format!("the name `{}` is invalid", escape(name)));
        }
    }
    let labels = manifest.labels.iter().map(|label| &label.name);
    let params = manifest.params.iter().map(|param| &param.name);
    let fields = |rule: &Rule| {
        rule.audit.iter().flat_map(|audit| &audit.fields).map(|field| field.name.clone()).collect::<Vec<_>>()
    };
    let of_rules = manifest.rules.iter().flat_map(|rule| std::iter::once(rule.name.clone()).chain(fields(rule)));
    let members = manifest.names.iter().flat_map(|names| names.members.iter().map(|(name, _)| name));
    let names = labels.chain(params).chain(members).chain([&manifest.producer]).cloned().chain(of_rules);
    if let Some(name) = names.into_iter().find(|name| !is_printable(name)) {
        return Err(format!("the name `{}` is invalid", escape(&name)));
    }
    for rule in &manifest.rules {
        if rule.deny.is_some_and(|errno| !(1..=ERRNO_MAX).contains(&errno)) {
            return Err(format!("rule `{}` denies with an invalid errno", rule.name));
        }
        rule.audit.as_ref().map_or(Ok(()), |audit| verify_event(manifest, audit))?;
    }
    for (at, program) in manifest.programs.iter().enumerate() {
        if !program.keeps && !manifest.rules.iter().any(|rule| rule.program as usize == at) {
            return Err(format!("the program of `{}` has no rule and maintains no labels", program.hook));
        }
    }
    Ok(())
}

/// Checks that the fields of an event lie within its record.
fn verify_event(manifest: &Manifest, audit: &Audit) -> Result<(), String> {
    if audit.fields.len() > FIELDS_MAX {
        return Err(format!("an event has more than {FIELDS_MAX} fields"));
    }
    let within = |offset: u32, bytes: u32| {
        offset >= HEADER_BYTES && offset.checked_add(bytes).is_some_and(|end| end <= audit.bytes)
    };
    for field in &audit.fields {
        let fits = match field.ty {
            Ty::Int { bytes, .. } | Ty::Names { bytes, .. } => matches!(bytes, 1 | 2 | 4 | 8),
            Ty::Bool | Ty::Pointer | Ty::Ip | Ty::Str { .. } => true,
        };
        if !fits {
            return Err(format!("field `{}` has an invalid size", field.name));
        }
        if !within(field.offset, field.ty.bytes()) {
            return Err(format!("field `{}` lies outside its event", field.name));
        }
        if matches!(field.ty, Ty::Names { names, .. } if names as usize >= manifest.names.len()) {
            return Err(format!("field `{}` has no names", field.name));
        }
    }
    match audit.limit {
        Some(limit) if !within(limit.offset, 8) => Err("the count of a limit lies outside its event".into()),
        _ => Ok(()),
    }
}

/// Checks that the counters lie within the state section.
fn verify_counters(manifest: &Manifest, state_bytes: u64) -> Result<(), String> {
    let rules = 8 * manifest.rules.len() as u64;
    let records = manifest.rules.iter().any(|rule| rule.audit.is_some() || rule.deny.is_some());
    let ends = [manifest.limited, manifest.unreadable].into_iter().flatten().map(|at| u64::from(at) + rules);
    match ends.chain(records.then_some(2 * rules)).any(|end| end > state_bytes) {
        true => Err("a counter lies outside the state section".into()),
        false => Ok(()),
    }
}

/// Calls aya's parser and converts a panic to an error. The parser panics on some damaged objects (aya-obj 0.3:
/// `BtfExt::parse` and `Btf::string_at` index slices with ranges from the file).
pub fn catch_panics<T>(parse: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    const DAMAGED: &str = "its types or its code are invalid";
    // Suppresses the default panic message, which would look like a bug of krsi.
    let before = take_hook();
    set_hook(Box::new(|_| {}));
    let result = catch_unwind(AssertUnwindSafe(parse));
    set_hook(before);
    result.unwrap_or_else(|_| Err(DAMAGED.into()))
}

/// Parses an object with aya, to find errors before anything is loaded.
fn check_with_aya(bytes: &[u8]) -> Result<(), String> {
    let all = BtfFeatures::new(true, true, true, true, true, true, true, true);
    let mut object = aya_obj::Object::parse(bytes).map_err(|error| error.to_string())?;
    object.fixup_and_sanitize_btf(&all).map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_parser_is_an_error() {
        let message = catch_panics::<()>(|| panic!("out of range")).expect_err("it panicked");
        assert!(message.contains("are invalid"), "{message}");
    }

    #[test]
    fn bitfields_in_other_containers_are_rejected() {
        let source =
            krsic::Source { name: "p.krs".into(), text: "held: on task_kill when p.in_execve == 1 deny".into() };
        let built = krsic::build(&[source], &krsic::Options::default()).value.expect("it compiles");
        let object = Object::parse(built.object).expect("it is valid");
        let check = |field: &str, bytes| {
            let mut types = krsic::btf::Builder::new();
            let ty = types.int("word", bytes, false);
            let member = krsic::btf::Member { name: field, ty, bit_offset: 64, bitfield_bits: 1 };
            types.add(krsic::btf::Def::Struct { name: "task_struct", bytes: 64, members: &[member] });
            object.check_bitfields(&Kernel::parse(types.finish()).expect("types"))
        };
        check("in_execve", 4).expect("the container has the usual size");
        check("other", 8).expect("a missing field is reported elsewhere");
        let failure = check("in_execve", 8).expect_err("the container is larger").to_string();
        assert!(failure.contains("`held` would misread `in_execve` of `task_struct`"), "{failure}");
        assert!(failure.contains("has 8 bytes here, the object expects 4"), "{failure}");
    }

    #[test]
    fn files_that_are_not_objects() {
        for bytes in [&b""[..], b"#!/bin/sh", b"\x7fELF", b"\x7fELF\x02\x01\x01"] {
            let failure = Object::parse(bytes.to_vec()).expect_err("not an object");
            assert!(!failure.help.is_empty(), "{failure}");
        }
    }

    /// Builds and parses the object of a policy.
    pub fn built(text: &str) -> Object {
        Object::parse(bytes(text)).expect("it is valid")
    }

    fn bytes(text: &str) -> Vec<u8> {
        let source = krsic::Source { name: "p.krs".into(), text: text.into() };
        let built = krsic::build(&[source], &krsic::Options::default());
        built.value.unwrap_or_else(|| panic!("{text}: {:?}", built.diagnostics)).object
    }

    /// Returns the bytes of a section.
    pub fn section(object: &Object, name: &str) -> Vec<u8> {
        let file = object::File::parse(&*object.bytes).expect("an ELF file");
        file.section_by_name(name).expect("it exists").data().expect("it has bytes").to_vec()
    }

    /// The error of an object whose manifest was changed to disagree with its sections.
    fn verify_changed(text: &str, change: impl FnOnce(&mut Manifest)) -> String {
        let bytes = bytes(text);
        let mut object = Object::parse(bytes.clone()).expect("it is valid");
        change(&mut object.manifest);
        let file = object::File::parse(&*bytes).expect("an ELF file");
        object.verify(&file).expect_err("the manifest was changed")
    }

    const POLICY: &str = "param port: u16 = 443\nset hosts: ip dynamic max 8\nlabel seen on task\n\
        web: on socket_connect when dst.port == port and dst.ip in hosts deny audit { dst.port } mark seen\n\
        held: on task_kill when p.in_execve == 1 deny\n";

    #[test]
    fn manifests_are_verified() {
        use krsi_abi::manifest::{Field, File, RuleId, Since};
        let int = |bytes| Ty::Int { bytes, signed: false };
        type Change = Box<dyn FnOnce(&mut Manifest)>;
        let cases: [(&str, Change); 21] = [
            ("it has no programs", Box::new(|manifest| manifest.programs.clear())),
            ("is missing", Box::new(|manifest| manifest.programs[0].section = "lsm/none".into())),
            ("does not have the length", Box::new(|manifest| manifest.programs[0].instructions += 1)),
            ("does not have the length", Box::new(|manifest| manifest.programs[0].instructions -= 1)),
            ("program `lost` is missing", Box::new(|manifest| manifest.programs[0].parts = vec!["lost".into()])),
            ("does not load", Box::new(|manifest| manifest.programs[0].arguments[0].instruction = u32::MAX / 16)),
            (
                "does not load",
                Box::new(|manifest| {
                    // The last instruction is `exit`.
                    let last = manifest.programs[0].instructions - 1;
                    manifest.programs[0].arguments[0].instruction = last;
                }),
            ),
            ("a parameter lies outside", Box::new(|manifest| manifest.params[0].offset = 1 << 20)),
            ("parameter `port` has an invalid size", Box::new(move |manifest| manifest.params[0].ty = int(3))),
            (
                "a file lies outside",
                Box::new(|manifest| manifest.files.push(File { path: "/x".into(), offset: 1 << 20 })),
            ),
            (
                "the switch of a rule lies outside",
                Box::new(|manifest| {
                    manifest.rules[0].since =
                        Some(Since { version: (6, 1), needs: vec![], by_number: true, switch: 1 << 20 });
                }),
            ),
            ("set `a/b` is invalid", Box::new(|manifest| manifest.sets[0].name = "a/b".into())),
            ("set `` is invalid", Box::new(|manifest| manifest.sets[0].name.clear())),
            ("set `hosts` is invalid", Box::new(|manifest| manifest.sets[0].parts.clear())),
            ("set `hosts` is invalid", Box::new(|manifest| manifest.sets[0].parts = vec![Part::Str, Part::Ip])),
            ("set `hosts` is invalid", Box::new(move |manifest| manifest.sets[0].parts = vec![Part::Number(int(5))])),
            ("set `hosts` is invalid", Box::new(|manifest| manifest.sets[0].parts = vec![Part::Number(Ty::Bool)])),
            (
                "the number of modes differs",
                Box::new(|manifest| {
                    let more: Vec<_> = manifest.rules.iter().chain(&manifest.rules).cloned().collect();
                    manifest.rules = more;
                }),
            ),
            (
                "a bitfield refers to a missing rule",
                Box::new(|manifest| manifest.words[0].rule = RuleId(manifest.rules.len() as u32)),
            ),
            (
                "a rule refers to a missing program",
                Box::new(|manifest| manifest.rules[0].program = manifest.programs.len() as u32),
            ),
            (
                "field `f` has an invalid size",
                Box::new(move |manifest| {
                    let audit = manifest.rules[0].audit.as_mut().expect("it records");
                    audit.fields.push(Field { name: "f".into(), ty: int(7), offset: 0 });
                }),
            ),
        ];
        for (why, change) in cases {
            let error = verify_changed(POLICY, change);
            assert!(error.contains(why), "{why}: {error}");
        }
        let error = verify_changed(POLICY, |manifest| manifest.labels_lost = Some(1 << 24));
        assert!(error.contains("lost labels lies outside"), "{error}");
    }

    /// The last offset at which a value fits is valid.
    #[test]
    fn offsets_at_the_end_of_the_constants() {
        let bytes = bytes(
            "param a: u32 = 1\nparam b: u32 = 2\nparam c: u32 = 3\n\
             r: on file_open when task.uid == a or task.uid == b or task.gid == c deny\n",
        );
        let whole = Object::parse(bytes.clone()).expect("it is valid");
        let end = section(&whole, krsi_abi::CONSTANTS_SECTION).len() as u32;
        let file = object::File::parse(&*bytes).expect("an ELF file");
        let with = |change: &dyn Fn(&mut Manifest)| {
            let mut manifest = whole.manifest.clone();
            change(&mut manifest);
            Object { bytes: vec![], manifest }.verify(&file)
        };
        assert_eq!(with(&|manifest| manifest.params[0].offset = end - 8), Ok(()));
        assert!(with(&|manifest| manifest.params[0].offset = end - 7).is_err());
        let named = |offset| krsi_abi::manifest::File { path: "/x".into(), offset };
        assert_eq!(with(&|manifest| manifest.files.push(named(end - 16))), Ok(()));
        assert!(with(&|manifest| manifest.files.push(named(end - 15))).is_err());
        let since =
            |switch| Some(krsi_abi::manifest::Since { version: (6, 1), needs: vec![], by_number: true, switch });
        assert_eq!(with(&|manifest| manifest.rules[0].since = since(end - 8)), Ok(()));
        assert!(with(&|manifest| manifest.rules[0].since = since(end - 7)).is_err());
    }

    #[test]
    fn parameters_are_set_in_the_constants() {
        let mut object = built(
            "param port: u16 = 443\nparam least: i32 = -5\nr: on socket_connect when dst.port == port and task.pid > least deny\n",
        );
        let words = |object: &Object| {
            let constants = section(object, krsi_abi::CONSTANTS_SECTION);
            let word = |name: &str| {
                let param = object.manifest.params.iter().find(|param| param.name == name).expect(name);
                let at = param.offset as usize;
                i64::from_le_bytes(constants[at..at + 8].try_into().expect("8 bytes"))
            };
            (word("port"), word("least"))
        };
        let set = |object: &mut Object, settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
            object.set(&settings).map_err(|failure| failure.to_string())
        };
        assert_eq!(words(&object), (443, -5));
        assert_eq!(set(&mut object, &["port=80", " least = -2000 "]), Ok(()));
        assert_eq!(words(&object), (80, -2000));
        for (settings, why) in [
            (&["port"][..], "`port` has no value"),
            (&["port=1", "port=2"], "`port` is set twice"),
            (&["prot=1"], "did you mean `port`?"),
            (&["port=65536"], "the range is 0 to 65535"),
        ] {
            let failure = set(&mut object, settings).expect_err(why);
            assert!(failure.contains(why), "{failure}");
        }
    }

    /// The initial modes are those of the load, but no rule has an effect yet.
    #[test]
    fn modes_are_set_in_the_object() {
        use krsi_abi::modes::Mode;
        let mut object = built("a: on file_mprotect deny\nb: on path_rmdir deny\nc: on task_kill audit\n");
        assert_eq!(section(&object, MODES_SECTION), [0, 0, 0, 0, 0, 0, 0]);
        let modes = Modes { policy: Mode::Enforce, rules: vec![Mode::Permissive, Mode::Enforce, Mode::Off] };
        object.set_modes(&modes).expect("it has modes");
        assert_eq!(section(&object, MODES_SECTION), [3, 3, 3, 1, 0, 2, 0x40]);
    }

    #[test]
    fn writes_stay_within_the_section() {
        let mut object = built(POLICY);
        let length = section(&object, MODES_SECTION).len() as u32;
        object.write(MODES_SECTION, length - 1, &[9]).expect("it is the last byte");
        assert_eq!(section(&object, MODES_SECTION).last(), Some(&9));
        let failure = object.write("none", 0, &[1]).expect_err("there is no such section");
        assert!(failure.message.contains("section `none` is too short"), "{failure}");
    }

    /// The offset of each load of an argument is 8 times the argument's slot.
    #[test]
    fn arguments_are_bound_to_the_kernel() {
        use crate::kernel::tests::{moved, small};
        let offsets = |kernel: &Kernel| {
            let mut object = built("r: on file_open when file.name == \"x\" deny\n");
            object.bind(kernel, &[], &[])?;
            let program = &object.manifest.programs[0];
            let code = section(&object, &program.section);
            let offset = |argument: &krsi_abi::manifest::ArgumentLoad| {
                let at = 8 * argument.instruction as usize;
                (argument.name.clone(), i16::from_le_bytes([code[at + 2], code[at + 3]]))
            };
            Ok::<_, Failure>(program.arguments.iter().map(offset).collect::<Vec<_>>())
        };
        let first = offsets(&small()).expect("the kernel has it");
        assert!(!first.is_empty() && first.iter().all(|(name, offset)| name == "file" && *offset == 0), "{first:?}");
        // After a struct of two words, the argument is in the third slot.
        let third = offsets(&moved("file")).expect("the kernel has it");
        assert!(third.iter().all(|(_, offset)| *offset == 16), "{third:?}");
        let failure = offsets(&moved("other")).expect_err("the kernel does not have it").to_string();
        assert!(failure.contains("reads `file` of `file_open`, which this kernel's hook does not have"), "{failure}");
        assert!(failure.contains("its arguments here: `two`, `other`"), "{failure}");
    }

    /// Arguments that only inactive rules read are not bound, nor are programs that are not loaded.
    #[test]
    fn inactive_rules_are_not_bound() {
        use krsi_abi::manifest::Since;
        let mut object = built("r: on file_open when file.name == \"x\" deny\n");
        let kernel = crate::kernel::tests::moved("other");
        let off = [Inactive { rule: 0, why: String::new() }];
        let need = |hook: &str, name: &str| Need::Argument { hook: hook.into(), name: name.into() };
        for (needs, bound) in [
            (vec![need("file_open", "file")], true),
            (vec![need("file_open", "other")], false),
            (vec![need("file_close", "file")], false),
        ] {
            object.manifest.rules[0].since = Some(Since { version: (6, 1), needs, by_number: false, switch: 0 });
            assert_eq!(object.bind(&kernel, &off, &[]).is_ok(), bound);
        }
        assert!(object.bind(&kernel, &[], &[]).is_err());
        assert!(object.bind(&kernel, &[], &[0]).is_ok(), "its program is not loaded");
    }

    /// Names, errnos, offsets and counts that no compiler writes.
    #[test]
    fn forged_manifests_are_rejected() {
        use krsi_abi::manifest::{Field, Limit, Period};
        type Change = Box<dyn FnOnce(&mut Manifest)>;
        fn audit(manifest: &mut Manifest) -> &mut Audit {
            manifest.rules.iter_mut().find_map(|rule| rule.audit.as_mut()).expect("a rule audits")
        }
        let cases: [(&str, Change); 14] = [
            ("denies with an invalid errno", Box::new(|manifest| manifest.rules[0].deny = Some(0))),
            ("denies with an invalid errno", Box::new(|manifest| manifest.rules[0].deny = Some(-1))),
            ("denies with an invalid errno", Box::new(|manifest| manifest.rules[0].deny = Some(i32::MIN))),
            ("denies with an invalid errno", Box::new(|manifest| manifest.rules[0].deny = Some(4096))),
            ("lies outside its event", Box::new(|manifest| audit(manifest).fields[0].offset = u32::MAX - 7)),
            ("lies outside its event", Box::new(|manifest| audit(manifest).fields[0].offset = 0)),
            ("lies outside its event", Box::new(|manifest| audit(manifest).bytes = 72)),
            (
                "the count of a limit",
                Box::new(|manifest| {
                    audit(manifest).limit = Some(Limit { count: 1, per: Period::Second, offset: u32::MAX - 3 });
                }),
            ),
            (
                "more than 64 fields",
                Box::new(|manifest| {
                    let field: Field = audit(manifest).fields[0].clone();
                    audit(manifest).fields = vec![field; 65];
                }),
            ),
            ("a counter lies outside", Box::new(|manifest| manifest.limited = Some(u32::MAX))),
            ("a counter lies outside", Box::new(|manifest| manifest.unreadable = Some(1 << 20))),
            ("the name `a\\u{1b}` is invalid", Box::new(|manifest| manifest.rules[0].name = "a\u{1b}".into())),
            ("the name `../x` is invalid", Box::new(|manifest| manifest.programs[0].hook = "../x".into())),
            (
                "has no rule and maintains no labels",
                Box::new(|manifest| {
                    manifest.rules.iter_mut().for_each(|rule| rule.program = 0);
                    manifest.programs.iter_mut().for_each(|program| program.keeps = false);
                }),
            ),
        ];
        for (expected, change) in cases {
            let error = verify_changed(POLICY, change);
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }

    /// Truncated and corrupted objects give an error or succeed, but do not panic.
    #[test]
    fn damaged_objects() {
        let whole = bytes(POLICY);
        for length in (0..whole.len()).step_by(97) {
            assert!(Object::parse(whole[..length].to_vec()).is_err(), "{length} bytes of {}", whole.len());
        }
        for at in (0..whole.len()).step_by(31) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            let _ = Object::parse(bytes);
        }
        let mut other = whole.clone();
        // `e_machine`, and below the version that follows the manifest's magic.
        other[18] = 62;
        let failure = Object::parse(other).expect_err("it is for x86");
        assert_eq!(failure.message, "is an ELF file, but not for BPF");
        let magic = whole.windows(4).position(|bytes| bytes == b"KRSI").expect("a manifest");
        let mut newer = whole.clone();
        newer[magic + 4] += 1;
        let failure = Object::parse(newer).expect_err("another version").message;
        assert!(failure.starts_with("was built by another version of krsic: "), "{failure}");
    }

    #[test]
    fn files_that_are_opened() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("p.o"), bytes(POLICY)).expect("it can be written");
        std::fs::write(path("q.krs"), "x: on bpf deny").expect("it can be written");
        assert_eq!(Object::open(&path("p.o")).expect("it is valid").manifest.policy, "p");
        let text = |name: &str| Object::open(&path(name)).expect_err(name).to_string();
        assert!(text("q.o").contains("` does not exist") && text("q.o").contains("q.krs`"), "{}", text("q.o"));
        assert!(!text("none.o").contains("help"), "{}", text("none.o"));
        assert!(text("q.krs").contains("build it first with `krsic build "), "{}", text("q.krs"));
        assert!(text("").contains("cannot read `"), "{}", text(""));
    }
}
