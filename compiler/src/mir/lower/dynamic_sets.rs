//! Membership tests of dynamic sets: maps that `krsi` fills and changes while the policy is loaded.
//!
//! ```text
//! key of numbers     the words of `krsi_abi::set`, in the frame            BPF_MAP_TYPE_HASH
//! key of networks    prefix length, then the words; the address in         BPF_MAP_TYPE_LPM_TRIE
//!                    network byte order, in the frame
//! key of texts       the text and zeros, in the scratch memory             BPF_MAP_TYPE_HASH
//! ```
//!
//! [`krsi_abi::set`] defines how an element becomes a key; the loader and this module must agree. The maps
//! allocate elements on demand (`BPF_F_NO_PREALLOC`), because a set may declare room for a million.

use krsi_abi::set;

use super::builder::{Builder, Target};
use crate::data::{Data, Map, MapKind};
use crate::helper;
use crate::hir::{Column, Members, Set, Value};
use crate::isa::jmp;
use crate::mir::{FRAME_POINTER, Inst, Operand, Reg};
use crate::relocation::RelocationKind;
use crate::rt::{self, key};

/// The prefix length in front of the words of a trie's key.
const PREFIX_BYTES: u32 = 4;

/// Declares the map of a dynamic set.
pub(super) fn declare(set: &Set, data: &mut Data) {
    let (Some(name), Members::Dynamic { max }) = (&set.name, &set.members) else { return };
    let (kind, key) = match key_form(set) {
        KeyForm::Text => (MapKind::GrowingHash, set::TEXT_KEY_BYTES),
        KeyForm::Words { words, trie: false, .. } => (MapKind::GrowingHash, 8 * words as u32),
        KeyForm::Words { words, trie: true, .. } => (MapKind::LpmTrie, PREFIX_BYTES + 8 * words as u32),
    };
    data.map(Map { name: set::map_name(name), kind, key, value: 1, entries: *max });
}

/// The form of a set's key.
enum KeyForm {
    Text,
    Words { words: usize, places: Vec<set::Place>, trie: bool },
}

fn key_form(set: &Set) -> KeyForm {
    if matches!(set.columns[..], [Column::Text { .. }]) {
        return KeyForm::Text;
    }
    let bytes: Vec<u32> = set.columns.iter().copied().map(Column::key_bytes).collect();
    let (words, places) = set::places(&set::dynamic_bytes(&bytes)).expect("the checker has laid the key out before");
    KeyForm::Words { words, places, trie: set.columns.contains(&Column::Network) }
}

impl Builder<'_> {
    /// Tests whether values are currently an element of a dynamic set.
    pub(super) fn in_dynamic(&mut self, values: &[Value], set: &Set, yes: Target, no: Target, unknown: Target) {
        let name = set.name.as_deref().expect("a dynamic set has a name");
        let map = RelocationKind::Map(set::map_name(name));
        match key_form(set) {
            KeyForm::Text => {
                let text = self.text(&values[0], unknown);
                self.branch_away(jmp::JGT, true, text.length, Operand::Imm(set::TEXT_BYTES_MAX.cast_signed()), no);
                self.push(Inst::Load {
                    dst: Reg(1),
                    base: text.memory,
                    offset: rt::NUMBER,
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
                self.add(Reg(2), i32::from(rt::WORK));
            }
            KeyForm::Words { words, places, trie } => {
                let key = match values {
                    [number] if set.columns.len() == 1 && !matches!(number.ty, crate::hir::Ty::Ip) => {
                        vec![self.value(number, unknown)]
                    }
                    _ => self.key(values, &places, words, unknown),
                };
                // The prefix length takes the four bytes before the words. The words stay at multiples of 8,
                // because the verifier requires aligned stores to the frame.
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
