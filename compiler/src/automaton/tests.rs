//! Tests of automata against two oracles: the evaluator of single patterns, and a matcher of globs by their
//! definition.

use super::*;
use crate::hir::eval::passes;

/// Linear congruential generator of test data.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// Returns a text over few letters, so that patterns match often.
    fn text(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| b"ab/c"[self.below(4)]).collect()
    }

    fn glob(&mut self, depth: usize) -> Vec<u8> {
        let mut glob = Vec::new();
        for _ in 0..1 + self.below(4) {
            match self.below(if depth == 0 { 8 } else { 9 }) {
                0..3 => glob.extend(self.text(4)),
                3 => glob.push(b'?'),
                4 => glob.push(b'*'),
                5 => glob.extend(b"**"),
                6 => glob.extend(b"[!a]"),
                7 => glob.extend(b"[a-b/]"),
                _ => {
                    let choices: Vec<Vec<u8>> = (0..1 + self.below(3)).map(|_| self.glob(depth - 1)).collect();
                    glob.extend([b"{", choices.join(&b","[..]).as_slice(), b"}"].concat());
                }
            }
        }
        glob
    }

    fn test(&mut self) -> TextTest {
        let text = || -> fn(&mut Random) -> Vec<u8> { |random| [random.text(6), b"a".to_vec()].concat() };
        match self.below(8) {
            0 => TextTest::OneOf((0..1 + self.below(4)).map(|_| self.text(6)).collect()),
            1 => TextTest::Under([b"/".to_vec(), text()(self)].concat()),
            2 => TextTest::StartsWith(text()(self)),
            3 => TextTest::EndsWith(text()(self)),
            4 => TextTest::Contains(text()(self)),
            _ => TextTest::Like(self.glob(2)),
        }
    }
}

#[test]
fn an_automaton_is_equivalent_to_its_patterns() {
    let mut random = Random(1);
    let mut built = 0;
    for _ in 0..600 {
        let tests: Vec<TextTest> = (0..1 + random.below(12)).map(|_| random.test()).collect();
        // Some patterns share a number.
        let number = |at: usize| (at / (1 + tests.len() % 2)) as u32;
        let numbered = || tests.iter().enumerate().map(|(at, test)| (test, number(at)));
        let Ok(automaton) = Automaton::several(numbered()) else { continue };
        built += 1;
        for _ in 0..60 {
            let text = random.text(14);
            let mut expected: Vec<u32> =
                numbered().filter(|(test, _)| passes(test, &text)).map(|(_, number)| number).collect();
            expected.dedup();
            assert_eq!(automaton.matches(&text), expected, "{tests:?} {:?}", String::from_utf8_lossy(&text));
        }
    }
    assert!(built > 500, "{built}");
}

#[test]
fn globs_match_the_listed_texts() {
    for (glob, text, matches) in [
        ("/etc/*", "/etc/passwd", true),
        ("/etc/*", "/etc/ssh/sshd_config", false),
        ("/etc/**", "/etc/ssh/sshd_config", true),
        ("/etc/**", "/etc/", true),
        ("/etc/**", "/etc", false),
        ("**/*.so", "/usr/lib/libc.so", true),
        ("**/*.so", "libc.so", false),
        ("/tmp/?", "/tmp/x", true),
        ("/tmp/?", "/tmp//", false),
        ("[a-c]x[!0-9]", "bxy", true),
        ("[a-c]x[!0-9]", "bx7", false),
        ("[!a]", "/", false),
        ("[]]", "]", true),
        ("[a\\-]", "-", true),
        ("{[,],x}", ",", true),
        ("a{b,c{d,e}}f", "acef", true),
        ("a{b,c{d,e}}f", "acf", false),
        ("{,x}y", "y", true),
        (r"\*\{", "*{", true),
        ("ä?", "äx", true),
        ("*", "\u{ff}", true),
        ("", "", true),
    ] {
        let test = TextTest::Like(glob.as_bytes().to_vec());
        let automaton = Automaton::one(&test).expect(glob);
        assert_eq!(automaton.row(text.as_bytes()) == 1, matches, "{glob} {text}");
        assert_eq!(passes(&test, text.as_bytes()), matches, "{glob} {text}");
    }
}

#[test]
fn many_patterns_have_about_a_word_for_each_byte() {
    let prefix = |n: usize| TextTest::Under(format!("/srv/tenants/{}/t{n}", n % 89).into_bytes());
    let glob = |n: usize| TextTest::Like(format!("/srv/*/t{n}/*.key").into_bytes());
    let end = |n: usize| TextTest::EndsWith(format!("x{n}y").into_bytes());
    let kinds: [&dyn Fn(usize) -> TextTest; 3] = [&prefix, &glob, &end];
    let texts = ["/srv/tenants/7/t7/a", "/srv/tenants/9/t9998", "/srv/a/t77/b.key", "/srv/a/t77/b.keys", "x1x12x345y"];
    let expected: [[&[u32]; 5]; 3] =
        [[&[7], &[], &[], &[], &[]], [&[], &[], &[77], &[], &[]], [&[], &[], &[], &[], &[345]]];
    for ((kind, most), expected) in kinds.into_iter().zip([60_000, 160_000, 120_000]).zip(expected) {
        let tests: Vec<TextTest> = (0..10_000).map(kind).collect();
        let automaton = Automaton::several(tests.iter().zip(0..)).expect("the patterns are simple");
        assert!(automaton.words.len() < most, "{}", automaton.words.len());
        for (text, expected) in texts.into_iter().zip(expected) {
            assert_eq!(automaton.matches(text.as_bytes()), expected, "{text}");
        }
    }
}

#[test]
fn equal_suffixes_are_shared() {
    let glob = |n: usize| TextTest::Like(format!("/srv/*/t{n}/*.key").into_bytes());
    let part = |n: usize| TextTest::Contains(format!("x{n}y").into_bytes());
    let kinds: [&dyn Fn(usize) -> TextTest; 2] = [&glob, &part];
    for kind in kinds {
        let tests: Vec<TextTest> = (0..1000).map(kind).collect();
        let automaton = Automaton::several(tests.iter().map(|test| (test, 0))).expect("the patterns are simple");
        assert!(automaton.states < 150, "{}", automaton.states);
    }
}

#[test]
fn an_automaton_that_would_be_too_large_is_refused() {
    let long = TextTest::Like([b"**a".as_slice(), &[b'?'; 20]].concat());
    assert_eq!(Automaton::one(&long), Err(TooComplex));
    let crossed: Vec<TextTest> = (0..20).map(|n| TextTest::Like(format!("**x{n}y**z{n}w**").into_bytes())).collect();
    assert_eq!(Automaton::several(crossed.iter().zip(0..)), Err(TooComplex));
    assert!(crossed.iter().all(|test| Automaton::one(test).is_ok()));
}

/// Returns whether a glob of bytes, `?`, `*` and `**` matches a text, by its definition.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    match glob {
        [] => text.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|run| glob_matches(rest, &text[run..])),
        [b'*', rest @ ..] => {
            (0..=text.len()).any(|run| !text[..run].contains(&b'/') && glob_matches(rest, &text[run..]))
        }
        [b'?', rest @ ..] => text.first().is_some_and(|byte| *byte != b'/') && glob_matches(rest, &text[1..]),
        [byte, rest @ ..] => text.first() == Some(byte) && glob_matches(rest, &text[1..]),
    }
}

#[test]
fn globs_match_the_texts_of_their_definition() {
    let globs: [&[u8]; 16] = [
        b"a", b"", b"*", b"**", b"?", b"a*", b"*a", b"**a", b"a/**", b"/*/a", b"*/*", b"**/a", b"a?b", b"a*b*a",
        b"a**b", b"?/?",
    ];
    let tests: Vec<TextTest> = globs.iter().map(|glob| TextTest::Like(glob.to_vec())).collect();
    let together = Automaton::several(tests.iter().zip(0..)).expect("the patterns are simple");
    let alone: Vec<Automaton> = tests.iter().map(|test| Automaton::one(test).expect("a simple pattern")).collect();
    // Every text of at most six bytes over three letters.
    let mut texts = vec![Vec::new()];
    for from in 0.. {
        let Some(text) = texts.get(from).cloned().filter(|text: &Vec<u8>| text.len() < 6) else { break };
        texts.extend(b"ab/".map(|byte| [&text[..], &[byte]].concat()));
    }
    assert_eq!(texts.len(), 1 + 3 + 9 + 27 + 81 + 243 + 729);
    for text in &texts {
        let wanted: Vec<u32> =
            (0..).zip(globs).filter(|(_, glob)| glob_matches(glob, text)).map(|(at, _)| at).collect();
        assert_eq!(together.matches(text), wanted, "{:?}", String::from_utf8_lossy(text));
        for (at, automaton) in (0..).zip(&alone) {
            assert_eq!(automaton.row(text) == 1, wanted.contains(&at), "{at} {:?}", String::from_utf8_lossy(text));
        }
    }
}
