//! Global value numbering: a value that a dominating block has computed is not computed again.
//!
//! ```text
//! b0: v12 = load 8 [v11 + file.f_inode]     b0: v12 = load 8 [v11 + file.f_inode]
//! b1: v13 = load 8 [v11 + file.f_inode]     b1:
//!     v14 = load 4 [v13 + inode.i_mode]         v14 = load 4 [v12 + inode.i_mode]
//! ```
//!
//! Only registers with one definition take part, and those with two adjacent ones, a copy and an operation in
//! place with an immediate: their values are the same everywhere. Kernel memory counts as unchanged while a
//! program runs, so a field that has been read is not read again; no rule observes two values of one field.
//!
//! Absent: memory that programs write (the frame, maps, events), and values that only some paths have
//! computed.

use std::collections::{BTreeMap, HashMap};

use crate::access::Access;
use crate::mir::analysis::cfg::{dominates, immediate_dominators};
use crate::mir::analysis::definitions::{counts, is_single};
use crate::mir::{Body, Inst, Operand, Reg};
use crate::relocation::RelocationKind;

/// An expression: two instructions with equal keys compute the same value.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    /// A field of the object that a register points to, loaded or copied, or an argument of the hook.
    Load { base: Reg, offset: i16, bytes: u32, access: Option<Access>, argument: Option<String> },
    /// An immediate that a relocation fills in.
    Loaded { imm: i32, wide: bool, kind: RelocationKind },
    /// `dst = of; dst op= imm`
    Alu { of: Reg, copy_wide: bool, op: u8, wide: bool, imm: i32 },
}

/// Runs the pass; returns true if it removed an instruction.
pub fn run(body: &mut Body) -> bool {
    let counts = counts(body);
    let dominators = immediate_dominators(body);
    let mut known: HashMap<Key, Vec<(usize, Reg)>> = HashMap::new();
    let mut same: BTreeMap<Reg, Reg> = BTreeMap::new();
    for at in 0..body.blocks.len() {
        let mut found = Vec::new();
        let insts = &body.blocks[at].insts;
        for (index, (inst, _)) in insts.iter().enumerate() {
            let name = |reg: Reg| same.get(&reg).copied().unwrap_or(reg);
            let (key, dst) = match (inst, insts.get(index + 1).map(|(inst, _)| inst)) {
                (Inst::Load { dst, base, offset, bytes, reloc, argument }, _)
                    if is_single(&counts, *dst) && is_single(&counts, *base) =>
                {
                    let access = match reloc {
                        Some(RelocationKind::FieldOffset(access)) => Some(access.clone()),
                        None if argument.is_some() => None,
                        _ => continue,
                    };
                    let argument = argument.clone();
                    (Key::Load { base: name(*base), offset: *offset, bytes: *bytes, access, argument }, *dst)
                }
                (Inst::Copy { dst, base, access, bytes, .. }, _)
                    if is_single(&counts, *dst) && is_single(&counts, *base) =>
                {
                    let (base, bytes, access) = (name(*base), *bytes, Some(access.clone()));
                    (Key::Load { base, offset: 0, bytes, access, argument: None }, *dst)
                }
                (Inst::Mov { dst, src: Operand::Imm(imm), wide, reloc: Some(kind) }, _) if is_single(&counts, *dst) => {
                    (Key::Loaded { imm: *imm, wide: *wide, kind: kind.clone() }, *dst)
                }
                (
                    Inst::Mov { dst, src: Operand::Reg(of), wide: copy_wide, reloc: None },
                    Some(Inst::Alu { op, wide, dst: changed, src: Operand::Imm(imm), reloc: None }),
                ) if dst == changed && !dst.is_machine() && counts[dst.0 as usize] == 2 && is_single(&counts, *of) => {
                    let of = name(*of);
                    (Key::Alu { of, copy_wide: *copy_wide, op: *op, wide: *wide, imm: *imm }, *dst)
                }
                _ => continue,
            };
            let before = known.get(&key).and_then(|list| {
                list.iter().find(|(block, _)| *block == at || dominates(&dominators, *block, at)).map(|(_, reg)| *reg)
            });
            match before {
                Some(before) => {
                    same.insert(dst, before);
                    found.push(dst);
                }
                None => known.entry(key).or_default().push((at, dst)),
            }
        }
        if !found.is_empty() {
            body.blocks[at].insts.retain(|(inst, _)| inst.def().is_none_or(|dst| !found.contains(&dst)));
        }
    }
    if same.is_empty() {
        return false;
    }
    let rename = |reg: Reg| same.get(&reg).copied().unwrap_or(reg);
    for block in &mut body.blocks {
        block.insts.iter_mut().for_each(|(inst, _)| inst.rename(rename));
        block.terminator.rename(rename);
    }
    true
}
