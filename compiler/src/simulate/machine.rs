//! The interpreter for BPF instructions. Source: RFC 9669 and, where that leaves details to the kernel,
//! `kernel/bpf/core.c`.
//!
//! It supports the instructions of 5.10 only: instruction set v3 without fetching atomics. Registers that a
//! call clobbers hold a number that is not an address, and the upper half of a 32-bit result is zero.

use krsi_abi::modes::{MODES_SECTION, Modes};
use krsi_abi::{manifest, set};

use super::image::{Function, Image, Link, is_wide};
use super::maps::{self, Map};
use super::memory::{Memory, Rights};
use super::scene::Scene;
use super::{Fault, Run};
use super::{helpers, labels};
use crate::helper;
use crate::hir::eval::{Element, Labels};
use crate::isa::{Insn, SRC_REG, alu, class, jmp, mode, pseudo, size};

/// Maximum number of instructions in a run. The kernel has no such limit, but a program that does not terminate
/// is a bug.
const INSTRUCTIONS_MAX: u64 = 10_000_000;
/// Maximum depth of calls, as in the kernel.
const FRAMES_MAX: usize = 8;
/// Maximum number of tail calls in a run, as in kernels before 5.17.
const TAIL_CALLS_MAX: usize = 32;
const STACK_BYTES: usize = 512;
/// Contents of uninitialised registers.
const UNDEFINED: u64 = 0xdead_0000_0000_0bad;

/// An object on a scene, ready to run.
pub struct Machine<'i> {
    image: &'i Image,
    pub(super) memory: Memory,
    pub(super) maps: Vec<Map>,
    /// Addresses of the image's data sections.
    data: Vec<u64>,
    scene: Scene<'i>,
    /// Free bytes in the ring buffer. A record that does not fit is lost.
    pub ring_buffer_room: usize,
    pub(super) events: Vec<Vec<u8>>,
    pub(super) signals: Vec<i32>,
    /// Addresses of records that are reserved but not submitted.
    pub(super) reserved: Vec<u64>,
    instructions: u64,
}

/// The stack frame of a function.
struct Frame {
    function: usize,
    slot: usize,
    /// Registers `r6` to `r9` of the caller.
    saved: [u64; 4],
    stack: u64,
}

impl<'i> Machine<'i> {
    /// Loads an object into a scene.
    ///
    /// # Errors
    /// If the object contains something unsupported.
    pub fn new(image: &'i Image, scene: Scene<'i>) -> Result<Machine<'i>, String> {
        let mut memory = scene.memory.clone();
        let rights = |writable| if writable { Rights::Write } else { Rights::Read };
        let data = image
            .data
            .iter()
            .map(|data| {
                let mut bytes = data.bytes.clone();
                if data.name == krsi_abi::CONSTANTS_SECTION {
                    for file in &image.manifest.files {
                        let none = manifest::File::NONE;
                        let (device, inode) = scene.files.get(&file.path).copied().unwrap_or((none, none));
                        let at = file.offset as usize;
                        bytes[at..at + 8].copy_from_slice(&device.to_le_bytes());
                        bytes[at + 8..at + 16].copy_from_slice(&inode.to_le_bytes());
                    }
                    for param in &image.manifest.params {
                        if let Some(value) = scene.params.get(&param.name) {
                            let at = param.offset as usize;
                            bytes[at..at + 8].copy_from_slice(&(*value as u64).to_le_bytes());
                        }
                    }
                }
                if data.name == MODES_SECTION {
                    let mut modes = Modes::first(&image.manifest);
                    for (rule, mode) in image.manifest.rules.iter().zip(&mut modes.rules) {
                        *mode = scene.modes.get(&rule.name).copied().unwrap_or(*mode);
                    }
                    bytes = modes.value(&image.manifest);
                }
                memory.add(bytes, rights(data.writable), if data.writable { "state" } else { "constants" })
            })
            .collect();
        let mut maps: Vec<Map> = image.maps.iter().map(|map| Map::new(map, &mut memory)).collect::<Result<_, _>>()?;
        fill(&mut maps, &image.manifest.sets, &scene, &mut memory)?;
        labels::fill(&mut maps, &image.manifest.labels, &scene.labels, &mut memory)?;
        let ring_buffer = maps.iter().find(|map| map.is_ring_buffer());
        let ring_buffer_room = ring_buffer.map_or(0, |map| map.declared.entries);
        Ok(Machine {
            image,
            memory,
            maps,
            data,
            scene,
            ring_buffer_room,
            events: Vec::new(),
            signals: Vec::new(),
            reserved: Vec::new(),
            instructions: 0,
        })
    }

    /// The current contents of the state section.
    #[must_use]
    pub fn state(&self) -> Option<&[u8]> {
        let at = self.image.data.iter().position(|data| data.name == krsi_abi::STATE_SECTION)?;
        self.memory.rest(self.data[at])
    }

    /// The current labels of all objects.
    ///
    /// # Errors
    /// If a map contains values that no program may write.
    pub fn labels(&self) -> Result<Labels, String> {
        labels::read(&self.maps, &self.image.manifest.labels, &self.memory)
    }

    /// Returns the current value of a key in a map.
    #[cfg(test)]
    pub(crate) fn value(&self, map: &str, key: &[u8]) -> Option<&[u8]> {
        let map = self.maps.iter().find(|known| known.declared.name == map)?;
        self.memory.rest(map.lookup(key)?)
    }

    /// Overwrites bytes of a value in a map, as another program would. Returns false if there is no such value.
    #[cfg(test)]
    pub(crate) fn change(&mut self, map: &str, key: &[u8], at: usize, bytes: &[u8]) -> bool {
        let map = self.maps.iter().find(|known| known.declared.name == map);
        let Some(value) = map.and_then(|map| map.lookup(key)) else { return false };
        self.memory.poke(value + at as u64, bytes)
    }

    pub(super) fn scene(&self) -> &Scene<'i> {
        &self.scene
    }

    /// Sets the time, in nanoseconds since boot.
    pub fn at(&mut self, time_ns: u64) {
        self.scene.time_ns = time_ns;
    }

    /// Runs the program of a hook. Its effects on maps and state persist until the next run.
    ///
    /// # Errors
    /// If the program does something that it must not do.
    pub fn run(&mut self, hook: &str) -> Result<Run, Fault> {
        let outside = |why: String| Fault { function: String::new(), slot: 0, why };
        let program =
            self.image.programs.get(hook).ok_or_else(|| outside(format!("no program for the hook `{hook}`")))?;
        let words = self.scene.context(hook).map_err(outside)?;
        let context: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let context = self.memory.add(context, Rights::Read, "context");
        self.events.clear();
        self.signals.clear();
        self.instructions = 0;
        let verdict = self.execute(*program, context)?;
        self.memory.remove(context);
        if !self.reserved.is_empty() {
            return Err(outside(format!("{} records were reserved and not submitted", self.reserved.len())));
        }
        Ok(Run {
            verdict: verdict as i32,
            events: std::mem::take(&mut self.events),
            signals: std::mem::take(&mut self.signals),
            instructions: self.instructions,
        })
    }

    /// Returns the target of a tail call, with program arrays filled as `krsi` does.
    fn tail_call_target(&self, [_, map, index, ..]: [u64; 5]) -> Result<usize, String> {
        let map = maps::of_handle(map).and_then(|map| self.maps.get(map)).ok_or("the program array is not a map")?;
        let of_map = |program: &&manifest::Program| krsi_abi::parts_map(&program.hook) == map.declared.name;
        let program = self.image.manifest.programs.iter().find(of_map).ok_or("the program array belongs to no hook")?;
        if program.parts.len() != map.declared.entries {
            return Err(format!(
                "the program array has {} entries for {} programs",
                map.declared.entries,
                program.parts.len()
            ));
        }
        let name = usize::try_from(index).ok().and_then(|index| program.parts.get(index));
        let part = name.and_then(|name| self.image.programs.get(name));
        part.copied().ok_or_else(|| format!("`{}` has no program {index}", map.declared.name))
    }

    fn frame(&mut self, function: usize, saved: [u64; 4]) -> Frame {
        let stack = self.memory.add(vec![0; STACK_BYTES], Rights::Scratch, "stack");
        Frame { function, slot: 0, saved, stack }
    }

    fn execute(&mut self, program: usize, context: u64) -> Result<u64, Fault> {
        let mut registers = [UNDEFINED; 11];
        registers[1] = context;
        let mut frames = vec![self.frame(program, [0; 4])];
        registers[10] = frames[0].stack + STACK_BYTES as u64;
        let image = self.image;
        let mut tail_calls = 0;
        loop {
            let depth = frames.len();
            let Some(frame) = frames.last_mut() else { unreachable!("the last return ends the loop") };
            let function = &image.functions[frame.function];
            let at = frame.slot;
            let step = self.step(function, frame, &mut registers);
            let fault = |why| Fault { function: function.name.clone(), slot: at, why };
            match step.map_err(fault)? {
                Flow::Next => {}
                Flow::Call(_) if depth == FRAMES_MAX => {
                    return Err(fault(format!("more than {FRAMES_MAX} nested calls")));
                }
                Flow::Call(to) => {
                    let saved = [registers[6], registers[7], registers[8], registers[9]];
                    let called = self.frame(to, saved);
                    registers[10] = called.stack + STACK_BYTES as u64;
                    registers[6..10].fill(UNDEFINED);
                    frames.push(called);
                }
                Flow::TailCall(_) if depth > 1 => {
                    return Err(fault("tail call from a function".to_owned()));
                }
                Flow::TailCall(_) if tail_calls == TAIL_CALLS_MAX => {
                    return Err(fault(format!("more than {TAIL_CALLS_MAX} tail calls")));
                }
                Flow::TailCall(to) => {
                    tail_calls += 1;
                    if let Some(done) = frames.pop() {
                        self.memory.remove(done.stack);
                    }
                    registers = [UNDEFINED; 11];
                    registers[1] = context;
                    frames.push(self.frame(to, [0; 4]));
                    registers[10] = frames[0].stack + STACK_BYTES as u64;
                }
                Flow::Return => {
                    let Some(done) = frames.pop() else { unreachable!("something was executed") };
                    self.memory.remove(done.stack);
                    let Some(caller) = frames.last() else {
                        return Ok(registers[0]);
                    };
                    registers[1..6].fill(UNDEFINED);
                    registers[6..10].copy_from_slice(&done.saved);
                    registers[10] = caller.stack + STACK_BYTES as u64;
                }
            }
        }
    }

    fn step(&mut self, function: &Function, frame: &mut Frame, registers: &mut [u64; 11]) -> Result<Flow, String> {
        self.instructions += 1;
        if self.instructions > INSTRUCTIONS_MAX {
            return Err(format!("no exit within {INSTRUCTIONS_MAX} instructions"));
        }
        let slot = frame.slot;
        let insn = *function.insns.get(slot).ok_or("execution continues after the last instruction")?;
        let link = function.links.get(&slot);
        if let Some(Link::Missing(what)) = link {
            return Err(format!("the kernel lacks {what}"));
        }
        let (dst, src) = (usize::from(insn.dst), usize::from(insn.src));
        if dst > 10 || src > 10 {
            return Err("invalid register".to_owned());
        }
        frame.slot += 1;
        let operand = if insn.code & SRC_REG != 0 { registers[src] } else { i64::from(insn.imm).cast_unsigned() };
        let writes = |dst: usize| if dst == 10 { Err("write to r10".to_owned()) } else { Ok(dst) };
        match insn.code & 7 {
            class::ALU64 => registers[writes(dst)?] = arithmetic(insn, registers[dst], operand, true)?,
            class::ALU => registers[writes(dst)?] = arithmetic(insn, registers[dst], operand, false)?,
            class::LD if is_wide(insn) => {
                let upper = function.insns.get(slot + 1).ok_or("the last instruction is incomplete")?;
                frame.slot += 1;
                registers[writes(dst)?] = match link {
                    Some(Link::Map(map)) => maps::handle(*map),
                    Some(Link::Data(data)) => self.data[*data].wrapping_add(u64::from(insn.imm.cast_unsigned())),
                    Some(_) => return Err("constant with an invalid relocation".to_owned()),
                    None => u64::from(insn.imm.cast_unsigned()) | u64::from(upper.imm.cast_unsigned()) << 32,
                };
            }
            class::LDX if insn.code & 0xe0 == mode::MEM => {
                let at = registers[src].wrapping_add_signed(i64::from(insn.off));
                let bytes = self.memory.read(at, width(insn))?;
                let mut word = [0; 8];
                word[..bytes.len()].copy_from_slice(bytes);
                registers[writes(dst)?] = u64::from_le_bytes(word);
            }
            class::ST | class::STX if insn.code & 0xe0 == mode::MEM => {
                let at = registers[dst].wrapping_add_signed(i64::from(insn.off));
                let value =
                    if insn.code & 7 == class::STX { registers[src] } else { i64::from(insn.imm).cast_unsigned() };
                self.memory.write(at, &value.to_le_bytes()[..width(insn)])?;
            }
            class::STX if insn.code & 0xe0 == mode::ATOMIC => {
                if insn.imm != i32::from(alu::ADD) || width(insn) < 4 {
                    return Err(format!("atomic operation {:#x} is not supported by 5.10", insn.imm));
                }
                let at = registers[dst].wrapping_add_signed(i64::from(insn.off));
                let bytes = self.memory.read(at, width(insn))?;
                let mut word = [0; 8];
                word[..bytes.len()].copy_from_slice(bytes);
                let sum = u64::from_le_bytes(word).wrapping_add(registers[src]);
                self.memory.write(at, &sum.to_le_bytes()[..width(insn)])?;
            }
            class::JMP | class::JMP32 => return self.jump(insn, link, frame, registers, operand),
            _ => return Err(format!("instruction {:#04x} is not supported by 5.10", insn.code)),
        }
        Ok(Flow::Next)
    }

    fn jump(
        &mut self,
        insn: Insn,
        link: Option<&Link>,
        frame: &mut Frame,
        registers: &mut [u64; 11],
        operand: u64,
    ) -> Result<Flow, String> {
        let wide = insn.code & 7 == class::JMP;
        match insn.code & 0xf0 {
            jmp::CALL if wide && insn.src == pseudo::CALL => {
                return match link {
                    Some(Link::Function(function)) => Ok(Flow::Call(*function)),
                    _ => Err("call without a target function".to_owned()),
                };
            }
            jmp::CALL if wide && insn.src == 0 => {
                let mut arguments = [0; 5];
                arguments.copy_from_slice(&registers[1..6]);
                if insn.imm.cast_unsigned() == helper::TAIL_CALL {
                    return Ok(Flow::TailCall(self.tail_call_target(arguments)?));
                }
                registers[0] = helpers::call(self, insn.imm.cast_unsigned(), arguments)?;
                registers[1..6].fill(UNDEFINED);
                return Ok(Flow::Next);
            }
            jmp::EXIT if wide => return Ok(Flow::Return),
            _ => {}
        }
        let Some(taken) = taken(insn.code & 0xf0, wide, registers[usize::from(insn.dst)], operand) else {
            return Err(format!("jump {:#04x} is not supported by 5.10", insn.code));
        };
        if taken {
            frame.slot =
                frame.slot.checked_add_signed(isize::from(insn.off)).ok_or("jump to before the first instruction")?;
        }
        Ok(Flow::Next)
    }
}

/// Inserts the elements of dynamic sets into their maps, as `krsi set` does.
fn fill(maps: &mut [Map], sets: &[manifest::Set], scene: &Scene<'_>, memory: &mut Memory) -> Result<(), String> {
    for set in sets {
        let name = set::map_name(&set.name);
        let map = maps.iter_mut().find(|map| map.declared.name == name).ok_or_else(|| format!("no map `{name}`"))?;
        for element in scene.sets.get(&set.name).into_iter().flatten() {
            let key =
                key(&set.parts, element).ok_or_else(|| format!("{element:?} is not an element of `{}`", set.name))?;
            map.update(memory, &key, &[1], 0).map_err(|why| format!("{element:?} of `{}`: errno {why}", set.name))?;
        }
    }
    Ok(())
}

/// Encodes an element as a key.
fn key(parts: &[manifest::Part], element: &[Element]) -> Option<Vec<u8>> {
    if let [Element::Text(text)] = element {
        let mut key = text.clone();
        key.resize(set::TEXT_KEY_BYTES as usize, 0);
        return Some(key);
    }
    let bytes = set::dynamic_bytes(&parts.iter().map(manifest::Part::bytes).collect::<Vec<u32>>());
    let (words, places) = set::places(&bytes)?;
    let mut prefix = None;
    let numbers: Vec<u128> = element
        .iter()
        .map(|part| match part {
            Element::Number(number) => u128::from(*number as u64),
            Element::Ip(address) => *address,
            Element::Network(address, bits) => {
                prefix = Some(*bits);
                *address
            }
            Element::Text(_) => 0,
        })
        .collect();
    let all = &set::key(&bytes, &places, words, numbers)[..words];
    let Some(bits) = prefix else { return Some(all.iter().flat_map(|word| word.to_le_bytes()).collect()) };
    let mut key = (64 * (words as u32 - 2) + bits).to_le_bytes().to_vec();
    let (exact, address) = all.split_at(words - 2);
    exact.iter().for_each(|word| key.extend(word.to_le_bytes()));
    address.iter().for_each(|word| key.extend(word.to_be_bytes()));
    Some(key)
}

/// The effect of an instruction on control flow.
enum Flow {
    Next,
    Call(usize),
    /// A tail call to another program.
    TailCall(usize),
    Return,
}

fn width(insn: Insn) -> usize {
    match insn.code & 0x18 {
        size::B => 1,
        size::H => 2,
        size::W => 4,
        _ => 8,
    }
}

/// Evaluates the condition of a jump; `None` if 5.10 does not support the jump.
pub(crate) fn taken(op: u8, wide: bool, left: u64, right: u64) -> Option<bool> {
    let (left, right, left_signed, right_signed) = if wide {
        (left, right, left.cast_signed(), right.cast_signed())
    } else {
        let (left, right) = (left as u32, right as u32);
        (u64::from(left), u64::from(right), i64::from(left.cast_signed()), i64::from(right.cast_signed()))
    };
    Some(match op {
        jmp::JA if wide => true,
        jmp::JEQ => left == right,
        jmp::JNE => left != right,
        jmp::JGT => left > right,
        jmp::JGE => left >= right,
        jmp::JLT => left < right,
        jmp::JLE => left <= right,
        jmp::JSET => left & right != 0,
        jmp::JSGT => left_signed > right_signed,
        jmp::JSGE => left_signed >= right_signed,
        jmp::JSLT => left_signed < right_signed,
        jmp::JSLE => left_signed <= right_signed,
        _ => return None,
    })
}

/// Evaluates an arithmetic operation.
pub(crate) fn arithmetic(insn: Insn, left: u64, right: u64, wide: bool) -> Result<u64, String> {
    if insn.off != 0 {
        return Err("signed arithmetic is not supported by 5.10".to_owned());
    }
    let op = insn.code & 0xf0;
    if op == alu::END {
        // With the source bit the operation converts to big-endian; without it, to little-endian, which changes
        // nothing.
        let bits = insn.imm.cast_unsigned();
        if wide || !matches!(bits, 16 | 32 | 64) {
            return Err("this byte order conversion is not supported by 5.10".to_owned());
        }
        let low = left & (u64::MAX >> (64 - bits));
        return Ok(if insn.code & SRC_REG != 0 { low.swap_bytes() >> (64 - bits) } else { low });
    }
    let (left, right, bits) = if wide { (left, right, 64) } else { (left & 0xffff_ffff, right & 0xffff_ffff, 32) };
    let amount = (right as u32) & (bits - 1);
    let result = match op {
        alu::ADD => left.wrapping_add(right),
        alu::SUB => left.wrapping_sub(right),
        alu::MUL => left.wrapping_mul(right),
        alu::DIV => left.checked_div(right).unwrap_or(0),
        alu::MOD => left.checked_rem(right).unwrap_or(left),
        alu::OR => left | right,
        alu::AND => left & right,
        alu::XOR => left ^ right,
        alu::LSH => left << amount,
        alu::RSH => left >> amount,
        alu::ARSH if wide => (left.cast_signed() >> amount).cast_unsigned(),
        alu::ARSH => u64::from(((left as u32).cast_signed() >> amount).cast_unsigned()),
        alu::NEG => left.wrapping_neg(),
        alu::MOV => right,
        _ => return Err(format!("operation {:#04x} is not supported by 5.10", insn.code)),
    };
    Ok(if wide { result } else { result & 0xffff_ffff })
}
