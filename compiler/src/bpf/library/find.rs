//! Tables of sorted rows, and the functions that search them.
//!
//! ```text
//! krs_find_1(table, levels, c)          rows of one word: which is `c`?
//! krs_find_2(table, levels, b, c)       rows of a first and a last key of two words: which is around `b c`?
//! krs_find_3(table, levels, a, b, c)    the same with three words, the first of which must be equal
//! ```
//!
//! The answer is the row's number, from 1; 0 where there is none.
//!
//! A table is a list of rows in the constants, by their first key, with one row before them that nothing fits. A
//! search goes from that row and tries steps of `2^(levels-1)` down to one: a row that is not beyond the key is gone to.
//! All levels are written out. The verifier walks each level once: of the two ways of a level, the one that goes
//! nowhere comes first, and what the other knows about its place is a part of what the first knew.

use super::{Asm, R, alu, jmp, size};
use crate::bpf::{Code, Function, RelocationKind};

/// By the number of words.
pub const FIND: [&str; 3] = ["krs_find_1", "krs_find_2", "krs_find_3"];

/// More rows than this are refused where a set is checked.
pub const ROWS_MAX: usize = (1 << 17) - 1;

/// Bytes of a row.
fn row_bytes(words: usize) -> u32 {
    [8, 32, 40][words - 1]
}

/// A row: its first key, and its last one, which has the same first word of three.
pub type Row = ([u64; 3], [u64; 3]);

/// Adds a table of keys with so many words; tells its offset and its levels.
pub fn table(code: &mut Code, words: usize, mut rows: Vec<Row>) -> (u32, u32) {
    rows.sort_unstable();
    debug_assert!(rows.len() <= ROWS_MAX, "a table has a bounded number of levels");
    let levels = usize::BITS - rows.len().leading_zeros();
    let bytes = row_bytes(words) as usize;
    let mut table = Vec::with_capacity(bytes << levels);
    let mut put = |(first, last): &Row| {
        let first = &first[..words];
        let end = match words {
            1 => &[][..],
            2 => &last[..2],
            _ => &last[1..3],
        };
        first.iter().chain(end).for_each(|word| table.extend_from_slice(&word.to_le_bytes()));
    };
    // Of single words the first row stands twice, since a key that is before it is not equal to it. Other rows are
    // ranges, and one that ends before it begins holds nothing.
    let nothing = if words == 1 { rows.first().copied().unwrap_or_default() } else { ([u64::MAX; 3], [0; 3]) };
    put(&nothing);
    rows.iter().for_each(&mut put);
    let last = rows.last().copied().unwrap_or_default();
    for _ in rows.len() + 1..1 << levels {
        put(&last);
    }
    let most = &mut code.levels[words - 1];
    *most = levels.max(*most);
    let known = code.tables.iter().copied().find(|&(at, bytes)| {
        bytes as usize == table.len() && code.constants[at as usize..(at + bytes) as usize] == *table
    });
    let offset = match known {
        Some((at, _)) => at,
        None => {
            code.constant(&table);
            let at = (code.constants.len() - table.len()) as u32;
            code.tables.push((at, table.len() as u32));
            at
        }
    };
    (offset, levels)
}

/// The function for keys of so many words.
pub(super) fn find(code: &Code, words: usize) -> Function {
    let (place, levels, table) = (R(1), R(2), R(9));
    let (base, next, row, word) = (R(6), R(7), R(8), R(0));
    let key: Vec<R> = (3..3 + words as u8).map(R).collect();
    let bytes = row_bytes(words);
    let limit = (code.constants.len() as u32 - bytes).cast_signed();
    let mut asm = Asm::default();
    let no = asm.label();
    asm.note("the last row that does not begin beyond the key");
    asm.jump(jmp::JGT, place, limit, no);
    asm.mov(table, place);
    asm.address(base, RelocationKind::Constant(0));
    for level in (0..code.levels[words - 1]).rev() {
        let (on, stay) = (asm.label(), asm.label());
        asm.jump(jmp::JLE, levels, level.cast_signed(), stay);
        // The place is added to the step and not the step to the place: of a register that is another one and a constant,
        // 6.12 derives bounds from that one which contradict each other, and then takes what they are added to for no pointer.
        asm.mov(next, (bytes << level).cast_signed());
        asm.alu(alu::ADD, next, place);
        asm.jump(jmp::JGT, next, limit, stay);
        asm.mov(row, base);
        asm.alu(alu::ADD, row, next);
        for (at, key) in key.iter().enumerate() {
            asm.load(size::DW, word, row, 8 * at as i16);
            if at + 1 == words {
                asm.jump(jmp::JLE, word, *key, on);
            } else {
                asm.jump(jmp::JLT, word, *key, on);
                asm.jump(jmp::JGT, word, *key, stay);
            }
        }
        asm.goto(stay);
        asm.place(on);
        asm.mov(place, next);
        asm.place(stay);
    }
    asm.note("whether the key is in it");
    asm.mov(row, base);
    asm.alu(alu::ADD, row, place);
    if words == 1 {
        asm.load(size::DW, word, row, 0);
        asm.jump(jmp::JNE, word, key[0], no);
    } else {
        let yes = asm.label();
        if words == 3 {
            asm.load(size::DW, word, row, 0);
            asm.jump(jmp::JNE, word, key[0], no);
        }
        let (first, last) = (8 * (words as i16 - 2), 8 * words as i16);
        let (b, c) = (key[words - 2], key[words - 1]);
        // Every row that is reached begins before the key, but for the one that holds nothing.
        asm.load(size::DW, word, row, first);
        asm.jump(jmp::JGT, word, b, no);
        asm.load(size::DW, word, row, last);
        asm.jump(jmp::JGT, word, b, yes);
        asm.jump(jmp::JLT, word, b, no);
        asm.load(size::DW, word, row, last + 8);
        asm.jump(jmp::JLT, word, c, no);
        asm.place(yes);
    }
    asm.mov(R(0), place);
    asm.alu(alu::SUB, R(0), table);
    asm.alu(alu::DIV, R(0), bytes.cast_signed());
    asm.exit();
    asm.place(no);
    asm.mov(R(0), 0);
    asm.exit();
    asm.finish(FIND[words - 1], 2 + words as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_shared_and_padded() {
        let mut code = Code::default();
        let rows = |numbers: &[u64]| numbers.iter().map(|c| ([*c, 0, 0], [*c, 0, 0])).collect::<Vec<Row>>();
        assert_eq!(table(&mut code, 1, rows(&[7, 3, 5, 9])), (0, 3));
        assert_eq!(code.constants.len(), 64);
        assert_eq!(table(&mut code, 1, rows(&[3, 5, 7, 9])), (0, 3));
        assert_eq!(table(&mut code, 2, rows(&[1])), (64, 1));
        assert_eq!(code.levels, [3, 1, 0]);
    }
}
