//! Encoding, against bytes written by hand from RFC 9669: opcode, `src << 4 | dst`, offset and immediate in
//! little-endian order.

use super::*;
use crate::mir::text::{access, parse};
use crate::relocation::RelocationKind;

fn encoded(text: &str) -> Program {
    encode("p", "p", &parse(text), Optimise::default()).expect("it is within the limits")
}

fn hex(insns: &[Insn]) -> String {
    let line = |insn: &Insn| insn.to_bytes().map(|byte| format!("{byte:02x}")).join(" ");
    insns.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The bytes of one instruction.
#[track_caller]
fn bytes(inst: &str, wanted: &str) {
    let program = encoded(&format!("b0: {inst}\nexit"));
    let (exit, insns) = program.insns.split_last().expect("`exit` at least");
    assert_eq!(hex(&[*exit]), "95 00 00 00 00 00 00 00");
    assert_eq!(hex(insns), wanted, "{inst}");
}

#[test]
fn arithmetic() {
    // Section 4.1: the class is 0x07 for 64 bits and 0x04 for 32, 0x08 selects a source register.
    for (operator, code) in [
        ("+=", 0x00),
        ("-=", 0x10),
        ("*=", 0x20),
        ("/=", 0x30),
        ("|=", 0x40),
        ("&=", 0x50),
        ("<<=", 0x60),
        (">>=", 0x70),
        ("%=", 0x90),
        ("^=", 0xa0),
        ("=", 0xb0),
        ("s>>=", 0xc0),
    ] {
        bytes(&format!("r2 {operator} 5"), &format!("{:02x} 02 00 00 05 00 00 00", code | 0x07));
        bytes(&format!("w2 {operator} 5"), &format!("{:02x} 02 00 00 05 00 00 00", code | 0x04));
        bytes(&format!("r2 {operator} r9"), &format!("{:02x} 92 00 00 00 00 00 00", code | 0x0f));
        bytes(&format!("w2 {operator} w9"), &format!("{:02x} 92 00 00 00 00 00 00", code | 0x0c));
    }
    bytes("r3 = -r3", "87 03 00 00 00 00 00 00");
    bytes("w3 = -w3", "84 03 00 00 00 00 00 00");
    bytes("r2 += -2", "07 02 00 00 fe ff ff ff");
    bytes("r1 = r10", "bf a1 00 00 00 00 00 00");
}

#[test]
fn byte_swaps() {
    // Section 4.2: END is 0xd0, the class ALU, and the source bit selects big-endian order.
    bytes("r4 = be16 r4", "dc 04 00 00 10 00 00 00");
    bytes("r4 = be32 r4", "dc 04 00 00 20 00 00 00");
    bytes("r4 = be64 r4", "dc 04 00 00 40 00 00 00");
}

#[test]
fn wide_immediates() {
    // Section 5.4: the upper half is the immediate of a second slot.
    bytes("r5 = 0x1122334455667788 ll", "18 05 00 00 88 77 66 55\n00 00 00 00 44 33 22 11");
    bytes("r5 = 0xffffffff ll", "18 05 00 00 ff ff ff ff\n00 00 00 00 00 00 00 00");
    bytes("r5 = state[8] ll", "18 05 00 00 00 00 00 00\n00 00 00 00 00 00 00 00");
}

#[test]
fn memory() {
    // Section 5: LDX 0x01, ST 0x02, STX 0x03; MEM 0x60; sizes W 0x00, H 0x08, B 0x10, DW 0x18.
    bytes("r2 = load 4 [r7 + 16]", "61 72 10 00 00 00 00 00");
    bytes("r2 = load 2 [r7 + 16]", "69 72 10 00 00 00 00 00");
    bytes("r2 = load 1 [r7 + 16]", "71 72 10 00 00 00 00 00");
    bytes("r2 = load 8 [r7 - 16]", "79 72 f0 ff 00 00 00 00");
    bytes("store 4 [r10 - 8] = r2", "63 2a f8 ff 00 00 00 00");
    bytes("store 2 [r10 - 8] = r2", "6b 2a f8 ff 00 00 00 00");
    bytes("store 1 [r10 - 8] = r2", "73 2a f8 ff 00 00 00 00");
    bytes("store 8 [r10 - 8] = r2", "7b 2a f8 ff 00 00 00 00");
    bytes("store 4 [r3 + 258] = -1", "62 03 02 01 ff ff ff ff");
    bytes("store 2 [r3 + 258] = 1", "6a 03 02 01 01 00 00 00");
    bytes("store 1 [r3 + 258] = 1", "72 03 02 01 01 00 00 00");
    bytes("store 8 [r3 + 258] = 1", "7a 03 02 01 01 00 00 00");
    // Section 5.3: ATOMIC 0xc0, and the operation ADD, 0x00, in the immediate.
    bytes("atomic [r6] += r1", "db 16 00 00 00 00 00 00");
}

#[test]
fn calls() {
    // Section 4.3.1: a helper by number; a function of the program has 1 in the source register.
    bytes("call 113/3", "85 00 00 00 71 00 00 00");
    bytes("call krs_f/2", "85 10 00 00 ff ff ff ff");
}

#[test]
fn conditional_jumps() {
    for (op, code) in [
        ("==", 0x10),
        (">", 0x20),
        (">=", 0x30),
        ("&", 0x40),
        ("!=", 0x50),
        ("s>", 0x60),
        ("s>=", 0x70),
        ("<", 0xa0),
        ("<=", 0xb0),
        ("s<", 0xc0),
        ("s<=", 0xd0),
    ] {
        for (left, right, class, operands) in [
            ("r1", "5", 0x05, "01 01 00 05 00 00 00"),
            ("w1", "-1", 0x06, "01 01 00 ff ff ff ff"),
            ("r1", "r2", 0x0d, "21 01 00 00 00 00 00"),
            ("w1", "w2", 0x0e, "21 01 00 00 00 00 00"),
        ] {
            let program = encoded(&format!("b0: if {left} {op} {right} then b2 else b1\nb1: exit\nb2: r0 = 1\nexit"));
            assert_eq!(hex(&program.insns[..1]), format!("{:02x} {operands}", code | class), "{left} {op} {right}");
        }
    }
}

/// The slots of a program as `print` shows them, one on each line.
fn slots(text: &str, optimise: Optimise) -> Vec<String> {
    let program = encode("p", "p", &parse(text), optimise).expect("it is within the limits");
    let code = super::super::Code { programs: vec![program], ..Default::default() };
    let printed = super::super::print::print(&code, &|_| Default::default());
    printed.lines().skip(1).filter(|line| !line.starts_with("  ;")).map(|line| line.trim().to_owned()).collect()
}

const ENDS: &str = "
b1: r0 = 1
    exit
b2: r0 = 2
    exit";

#[test]
fn the_false_successor_falls_through() {
    let text = format!("b0: if r1 == 5 then b2 else b1{ENDS}");
    let wanted = ["0  if r1 == 0x5 goto 3", "1  r0 = 1", "2  exit", "3  r0 = 2", "4  exit"];
    assert_eq!(slots(&text, Optimise::default()), wanted);
}

#[test]
fn a_branch_is_inverted_where_the_true_successor_follows() {
    let text = format!("b0: if r1 == 5 then b1 else b2{ENDS}");
    let wanted = ["0  if r1 != 0x5 goto 3", "1  r0 = 1", "2  exit", "3  r0 = 2", "4  exit"];
    assert_eq!(slots(&text, Optimise::default()), wanted);
}

#[test]
fn a_test_of_bits_has_no_inverse() {
    let text = format!("b0: if r1 & 5 then b1 else b2{ENDS}");
    let wanted = ["0  if r1 & 0x5 goto 2", "1  goto 4", "2  r0 = 1", "3  exit", "4  r0 = 2", "5  exit"];
    assert_eq!(slots(&text, Optimise::default()), wanted);
}

#[test]
fn a_branch_to_two_later_blocks_takes_a_jump() {
    let text = "
        b0: if r1 == 7 then b1 else b2
        b1: if r1 == 5 then b3 else b4
        b2: r0 = 1
            exit
        b3: r0 = 2
            exit
        b4: r0 = 3
            exit";
    let wanted = [
        "0  if r1 != 0x7 goto 3",
        "1  if r1 == 0x5 goto 5",
        "2  goto 7",
        "3  r0 = 1",
        "4  exit",
        "5  r0 = 2",
        "6  exit",
        "7  r0 = 3",
        "8  exit",
    ];
    assert_eq!(slots(text, Optimise::default()), wanted);
}

#[test]
fn a_branch_with_one_successor_is_no_branch() {
    let wanted = ["0  r0 = 0", "1  exit"];
    assert_eq!(slots("b0: if r1 == 5 then b1 else b1\nb1: r0 = 0\nexit", Optimise::default()), wanted);
    let text = "
        b0: if r1 == 7 then b1 else b2
        b1: if r1 == 5 then b3 else b3
        b2: r0 = 1
            exit
        b3: r0 = 2
            exit";
    let wanted = ["0  if r1 != 0x7 goto 2", "1  goto 4", "2  r0 = 1", "3  exit", "4  r0 = 2", "5  exit"];
    assert_eq!(slots(text, Optimise::default()), wanted);
}

#[test]
fn a_jump_counts_both_slots_of_a_wide_immediate() {
    let text = "
        b0: if r1 == 5 then b2 else b1
        b1: r2 = 0x100000000 ll
            r3 = state[0] ll
            goto b3
        b2: r0 = 2
            exit
        b3: r0 = 3
            exit";
    let program = encoded(text);
    // Four slots of two loads and a jump are skipped; the jump skips two.
    assert_eq!(hex(&program.insns[..1]), "15 01 05 00 05 00 00 00");
    assert_eq!(hex(&program.insns[5..6]), "05 00 02 00 00 00 00 00");
}

#[test]
fn a_jump_to_the_next_block_is_none() {
    assert_eq!(slots("b0: r0 = 0\ngoto b1\nb1: exit", Optimise::default()), ["0  r0 = 0", "1  exit"]);
}

#[test]
fn jumps_to_jumps_are_threaded() {
    let text = "
        b0: if r1 == 5 then b2 else b1
        b1: r0 = 1
            goto b3
        b2: goto b4
        b3: r0 = 3
            exit
        b4: r0 = 4
            exit";
    let wanted = ["0  if r1 == 0x5 goto 4", "1  r0 = 1", "2  r0 = 3", "3  exit", "4  r0 = 4", "5  exit"];
    assert_eq!(slots(text, Optimise::default()), wanted);
    let wanted = [
        "0  if r1 == 0x5 goto 3",
        "1  r0 = 1",
        "2  goto 4",
        "3  goto 6",
        "4  r0 = 3",
        "5  exit",
        "6  r0 = 4",
        "7  exit",
    ];
    assert_eq!(slots(text, Optimise::default().without(Optimisation::SkipForwarding)), wanted);
}

/// The offset of a jump is a signed 16-bit number.
#[test]
fn a_jump_skips_at_most_32767_slots() {
    let of = |skipped: usize| {
        let insts = "r2 = 1\n".repeat(skipped - 1);
        encode(
            "p",
            "p",
            &parse(&format!("b0: if r1 == 5 then b2 else b1\nb1: {insts}exit\nb2: exit")),
            Optimise::default(),
        )
    };
    assert_eq!(of(32767).map(|program| program.insns[0].off), Ok(i16::MAX));
    assert_eq!(of(32768), Err(TooLarge::Jump(32768)));
}

/// Branches are counted on the longest path, not in the whole program.
#[test]
fn a_way_has_at_most_8000_branches() {
    let of = |count: usize| {
        let mut text = String::new();
        for at in 0..count {
            text += &format!("b{at}: r0 = 0\nif r1 == {at} then b{} else b{}\n", at + 1, (at + 2).min(count));
        }
        text += &format!("b{count}: exit");
        encode("p", "p", &parse(&text), Optimise::default()).map(drop)
    };
    assert_eq!(of(8000), Ok(()));
    assert_eq!(of(8001), Err(TooLarge::Branches(8001)));
}

#[test]
fn inverses() {
    for (op, other) in [
        (jmp::JEQ, jmp::JNE),
        (jmp::JGT, jmp::JLE),
        (jmp::JGE, jmp::JLT),
        (jmp::JSGT, jmp::JSLE),
        (jmp::JSGE, jmp::JSLT),
    ] {
        assert_eq!((jmp::inverse(op), jmp::inverse(other)), (Some(other), Some(op)));
    }
    assert_eq!(jmp::inverse(jmp::JSET), None);
}

#[test]
fn relocations_and_arguments_stand_at_their_slots() {
    let program = encoded(
        "b0: r2 = state[8] ll
             r6 = load 8 [r1 + 16] arg prot
             r3 = load 4 [r6 + inode.i_mode]
             r3 += size(inode.i_mode)
             r4 = exists(inode.i_mode)
             call krs_f/1
             exit",
    );
    let mode = access("inode.i_mode");
    let wanted = [
        (0, RelocationKind::State(8)),
        (3, RelocationKind::FieldOffset(mode.clone())),
        (4, RelocationKind::FieldSize(mode.clone())),
        (5, RelocationKind::FieldExists(mode)),
        (6, RelocationKind::Function("krs_f")),
    ];
    assert_eq!(program.relocations, wanted.map(|(slot, kind)| Relocation { slot, kind }));
    assert_eq!(program.arguments, [ArgumentLoad { instruction: 2, name: "prot".into(), slot: 2 }]);
}

/// A line begins where the source changes; a jump that is omitted has no line.
#[test]
fn lines_begin_where_the_source_changes() {
    let program = encoded("b0: r2 = 0x1 ll\nr0 = 0\ngoto b1\nb1: exit");
    let starts = |program: &Program| program.lines.iter().map(|(slot, span)| (*slot, span.start)).collect::<Vec<_>>();
    assert_eq!(starts(&program), [(0, 0), (2, 1)]);
    let program = encoded("b0: r0 = 0\nif r1 == 5 then b1 else b1\nb1: r0 = 1\nexit");
    assert_eq!(starts(&program), [(0, 0), (1, 2)]);
    let mut code = parse("b0: r2 = 1\nr3 = 2\nr4 = 3\nexit");
    let same = code.blocks[0].insts[0].1;
    code.blocks[0].insts[1].1 = same;
    let program = encode("p", "p", &code, Optimise::default()).expect("it is small");
    assert_eq!(starts(&program), [(0, 0), (2, 2)]);
}

#[test]
fn what_is_less_in_parts() {
    let in_parts =
        [TooLarge::Frame(0), TooLarge::Jump(0), TooLarge::Branches(0), TooLarge::Instructions(0), TooLarge::Texts(0)];
    let never = [TooLarge::Stack(0), TooLarge::Calls(0), TooLarge::Functions(0), TooLarge::Parts(0)];
    assert!(in_parts.iter().all(|why| why.is_less_in_parts()));
    assert!(!never.iter().any(|why| why.is_less_in_parts()));
}

#[test]
fn a_limit_is_named_with_its_number() {
    for (why, text) in [
        (TooLarge::Frame(520), "it needs 520 bytes of stack; the kernel provides 512"),
        (TooLarge::Stack(544), "with the functions that it calls it needs 544 bytes of stack; the kernel provides 512"),
        (TooLarge::Calls(9), "its calls are nested 9 deep; the kernel allows 8"),
        (TooLarge::Jump(32768), "a jump would skip 32768 instructions; the format allows 32767"),
        (
            TooLarge::Branches(8001),
            "one path through it has 8001 conditional jumps; the verifier of 5.10 follows at most 8000",
        ),
        (TooLarge::Functions(3), "it tests more than 3 different conditions on ancestors"),
        (TooLarge::Texts(3), "a program can read at most 3 different texts"),
        (TooLarge::Parts(33), "it needs more than 33 parts, whose tail calls the kernel limits"),
        (TooLarge::Instructions(7), "it has 7 instructions or more, which takes a verifier too long"),
    ] {
        assert_eq!(why.to_string(), text);
    }
}

#[test]
fn blocks_that_nothing_leads_to_are_left_out() {
    assert_eq!(slots("b0: r0 = 0\nexit\nb1: r0 = 1\nexit", Optimise::default()), ["0  r0 = 0", "1  exit"]);
}
