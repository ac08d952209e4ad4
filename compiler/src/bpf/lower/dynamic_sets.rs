//! Sets that change while the policy is loaded: maps, which `krsi` fills. How an element becomes a key is in
//! [`krsi_abi::set`].

use krsi_abi::set;

use super::builder::{Builder, Label};
use crate::bpf::library::{self, key};
use crate::bpf::{Code, Map, MapKind, RelocationKind, helper};
use crate::hir::{Members, Part, Set, Value};
use crate::isa::jmp;
use crate::mir::{FRAME_POINTER, Inst, Operand, Reg};

/// The words of an address in a trie's key, and what is before them.
const PREFIX_BYTES: u32 = 4;

/// Adds the map of a set that changes.
pub(super) fn declare(set: &Set, code: &mut Code) {
    let (Some(name), Members::Dynamic { max }) = (&set.name, &set.members) else { return };
    let (kind, key) = match shape(set) {
        Shape::Text => (MapKind::GrowingHash, set::TEXT_KEY_BYTES),
        Shape::Words { words, trie: false, .. } => (MapKind::GrowingHash, 8 * words as u32),
        Shape::Words { words, trie: true, .. } => (MapKind::LpmTrie, PREFIX_BYTES + 8 * words as u32),
    };
    code.map(Map { name: set::map_name(name), kind, key, value: 1, entries: *max });
}

/// What a key is made of.
enum Shape {
    Text,
    Words { words: usize, places: Vec<set::Place>, trie: bool },
}

fn shape(set: &Set) -> Shape {
    if matches!(set.parts[..], [Part::Text { .. }]) {
        return Shape::Text;
    }
    let bytes: Vec<u32> = set.parts.iter().copied().map(Part::key_bytes).collect();
    let (words, places) = set::places(&set::dynamic_bytes(&bytes)).expect("the checker has asked before");
    Shape::Words { words, places, trie: set.parts.contains(&Part::Network) }
}

impl Builder<'_> {
    /// Values are an element now.
    pub(super) fn in_dynamic(&mut self, values: &[Value], set: &Set, yes: Label, no: Label, unknown: Label) {
        let name = set.name.as_deref().expect("a set that changes has a name");
        let map = RelocationKind::Map(set::map_name(name));
        match shape(set) {
            Shape::Text => {
                let text = self.text(&values[0], unknown);
                self.branch_away(jmp::JGT, true, text.length, Operand::Imm(set::TEXT_BYTES_MAX.cast_signed()), no);
                self.push(Inst::Load {
                    dst: Reg(1),
                    base: text.memory,
                    offset: library::NUMBER,
                    bytes: 8,
                    reloc: None,
                    argument: None,
                });
                for (at, src) in
                    [Operand::Imm(i32::from(text.offset)), Operand::Reg(text.length)].into_iter().enumerate()
                {
                    self.push(Inst::Mov { dst: Reg(2 + at as u32), src, wide: true, reloc: None });
                }
                self.push(Inst::Invoke { function: key::KEY, args: 3 });
                self.push(Inst::Mov { dst: Reg(2), src: Operand::Reg(text.memory), wide: true, reloc: None });
                self.add(Reg(2), i32::from(library::WORK));
            }
            Shape::Words { words, places, trie } => {
                let key = match values {
                    [number] if set.parts.len() == 1 && !matches!(number.ty, crate::hir::Ty::Ip) => {
                        vec![self.value(number, unknown)]
                    }
                    _ => self.key(values, &places, words, unknown),
                };
                // A trie's prefix has the four bytes before the words, which stay where stores of eight bytes can go.
                let frame = self.key_buffer();
                for (at, word) in key.iter().enumerate() {
                    let mut word = *word;
                    if trie && at + 2 >= words {
                        word = self.copy(word, true);
                        self.push(Inst::Swap { dst: word, bits: 64 });
                    }
                    self.push(Inst::Store {
                        base: FRAME_POINTER,
                        offset: frame + 8 + 8 * at as i16,
                        src: Operand::Reg(word),
                        bytes: 8,
                    });
                }
                if trie {
                    let bits = Operand::Imm(64 * words as i32);
                    self.push(Inst::Store { base: FRAME_POINTER, offset: frame + 4, src: bits, bytes: 4 });
                }
                self.frame_address(Reg(2), frame + if trie { 4 } else { 8 });
            }
        }
        self.push(Inst::Address { dst: Reg(1), of: map });
        self.push(Inst::Call { helper: helper::MAP_LOOKUP_ELEM, args: 2 });
        let found = self.copy(Reg(0), true);
        self.branch(jmp::JNE, true, found, Operand::Imm(0), yes, no);
    }
}
