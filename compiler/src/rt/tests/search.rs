//! Tests of searches in tables of numbers, ranges and networks of many sizes.

use super::{Object, built, newest};
use crate::optimise::{Optimisation, Optimise};
use crate::simulate::scene::named;

const EPERM: i32 = 1;
const EACCES: i32 = 13;

/// Returns the errno of a rule, by name and number; it alternates.
fn errno(rule: usize) -> (&'static str, i32) {
    if rule.is_multiple_of(2) { ("EPERM", EPERM) } else { ("EACCES", EACCES) }
}

/// Sizes around those at which a search takes one more step.
const SIZES: [usize; 5] = [12, 15, 16, 17, 33];

#[test]
fn a_number_is_found_exactly() {
    // Numbers that differ in low bits, in high bits, and in both.
    let keys: [fn(u64) -> u64; 3] = [|n| 3 * n + 1, |n| (n + 1) << 40, |n| (n << 56) | (n + 1)];
    for key in keys {
        for count in SIZES {
            let rule = |n: usize| format!("on file_mprotect when prot == {} deny {}\n", key(n as u64), errno(n).0);
            let object = Object::of(&(0..count).map(rule).collect::<String>());
            assert!(object.image.functions.iter().all(|function| function.name != "krs_find"));
            for n in 0..count {
                let here = key(n as u64);
                assert_eq!(object.verdict("file_mprotect", &[("prot", here)]), -errno(n).1, "{count}: {here:#x}");
                for other in [here - 1, here + 1, here ^ 1 << 63, here ^ 1 << 32, here.swap_bytes()] {
                    if (0..count).all(|n| key(n as u64) != other) {
                        assert_eq!(object.verdict("file_mprotect", &[("prot", other)]), 0, "{count}: {other:#x}");
                    }
                }
            }
            assert_eq!(object.verdict("file_mprotect", &[("prot", u64::MAX)]), 0);
        }
    }
}

#[test]
fn a_key_of_several_values_matches_only_as_a_whole() {
    let rule = |n: usize| format!("on file_mprotect when prot == {n} and reqprot == {} deny {}\n", n * n, errno(n).0);
    let object = Object::of(&(0..20).map(rule).collect::<String>());
    for prot in 0..21u64 {
        for reqprot in (0..21u64).map(|n| n * n).chain([2, 399]) {
            let found = prot < 20 && reqprot == prot * prot;
            let wanted = if found { -errno(prot as usize).1 } else { 0 };
            assert_eq!(object.verdict("file_mprotect", &[("prot", prot), ("reqprot", reqprot)]), wanted);
        }
    }
}

/// Returns rules on a hook, each with a range of `prot`.
fn denies(hook: &str, ranges: &[(u64, u64)]) -> String {
    let rule = |(n, (first, last)): (usize, &(u64, u64))| {
        format!("on {hook} when prot >= {first} and prot <= {last} deny {}\n", errno(n).0)
    };
    ranges.iter().enumerate().map(rule).collect()
}

/// Looks up the first and last number of each range, and their neighbours.
fn check_around(object: &Object, hook: &str, ranges: &[(u64, u64)]) {
    let near = |at: u64| [at.saturating_sub(2), at.saturating_sub(1), at, at.saturating_add(1), at.saturating_add(2)];
    for looked_up in ranges.iter().flat_map(|(first, last)| [near(*first), near(*last)]).flatten().chain([0, u64::MAX])
    {
        let found = ranges.iter().position(|(first, last)| (*first..=*last).contains(&looked_up));
        let wanted = found.map_or(0, |rule| -errno(rule).1);
        assert_eq!(object.verdict(hook, &[("prot", looked_up)]), wanted, "{} ranges: {looked_up:#x}", ranges.len());
    }
}

#[test]
fn a_range_is_found_from_its_first_number_to_its_last() {
    for count in SIZES {
        let count = count as u64;
        let shapes: [Vec<(u64, u64)>; 6] = [
            // With gaps, so that there are about twice as many rows; the ranges begin at odd and at even
            // numbers.
            (0..count).map(|n| (10 * n + 3, 10 * n + 5)).collect(),
            (0..count).map(|n| (10 * n + 4, 10 * n + 6)).collect(),
            // Adjacent ranges.
            (0..count).map(|n| (10 * n + 1, 10 * n + 10)).collect(),
            (0..count).map(|n| (2 * n + 1, 2 * n + 2)).collect(),
            // From the minimum, and up to the maximum.
            (0..count).map(|n| (16 * n, 16 * n + 7)).collect(),
            (0..count).map(|n| (u64::MAX - 16 * n - 7, u64::MAX - 16 * n)).collect(),
        ];
        for ranges in &shapes {
            let object = Object::of(&denies("file_mprotect", ranges));
            assert!(object.image.functions.iter().any(|function| function.name == "krs_find"));
            check_around(&object, "file_mprotect", ranges);
        }
    }
}

#[test]
fn a_rule_has_several_ranges() {
    // Two adjacent networks, and one after a gap.
    let rule = |n: usize| {
        let networks = format!("\"10.{n}.0.0/25\", \"10.{n}.0.128/25\", \"10.{n}.2.0/24\"");
        format!("on socket_connect when dst.ip in {{ {networks} }} and dst.port == 80 deny {}\n", errno(n).0)
    };
    let object = Object::of(&(0..14).map(rule).collect::<String>());
    for n in 0..14usize {
        let at = |third: u32, fourth: u32| 0xffff_0a00_0000u128 | (n as u128) << 16 | u128::from(third << 8 | fourth);
        for (address, denied) in [
            (at(0, 0), true),
            (at(0, 127), true),
            (at(0, 128), true),
            (at(0, 255), true),
            (at(1, 0), false),
            (at(1, 128), false),
            (at(1, 255), false),
            (at(2, 0), true),
            (at(2, 255), true),
            (at(3, 0), false),
        ] {
            let wanted = if denied { -errno(n).1 } else { 0 };
            assert_eq!(connects(&object, address, 80), wanted, "{address:x}");
            assert_eq!(connects(&object, address, 81), 0, "{address:x}");
        }
    }
}

#[test]
fn tables_of_different_sizes_are_searched_by_one_function() {
    let many: Vec<(u64, u64)> = (0..70).map(|n| (10 * n + 3, 10 * n + 5)).collect();
    let few: Vec<(u64, u64)> = (0..12).map(|n| (10 * n + 1, 10 * n + 10)).collect();
    let hooks = ["file_mprotect", "mmap_file"];
    for [one, other] in [[&many, &few], [&few, &many]] {
        let object = Object::of(&(denies(hooks[0], one) + &denies(hooks[1], other)));
        check_around(&object, hooks[0], one);
        check_around(&object, hooks[1], other);
    }
}

/// Returns the verdict of a connection to an address.
fn connects(object: &Object, address: u128, port: u16) -> i32 {
    let mut scene = object.scene();
    let mut bytes = [0; 128];
    let four = address >> 32 == 0xffff;
    let family: u16 = if four { 2 } else { 10 };
    bytes[..2].copy_from_slice(&family.to_le_bytes());
    bytes[2..4].copy_from_slice(&port.to_be_bytes());
    if four {
        bytes[4..8].copy_from_slice(&(address as u32).to_be_bytes());
    } else {
        bytes[8..24].copy_from_slice(&address.to_be_bytes());
    }
    let at = scene.put_bytes(&bytes);
    scene.arguments.insert("address".into(), at);
    scene.arguments.insert("addrlen".into(), if four { 16 } else { 28 });
    let [socket, sk] = ["socket", "sock"].map(|name| scene.object(name, true).expect("sockets are known"));
    scene.set(socket, &named("socket", &["sk"]), sk);
    scene.arguments.insert("sock".into(), socket);
    object.run("socket_connect", &scene).verdict
}

#[test]
fn the_first_rule_that_contains_an_address_sets_the_errno() {
    const DOC: u128 = 0x2001_0db8 << 96;
    const FOUR: u128 = 0xffff_0000_0000;
    // Nested networks with their prefix lengths: of a whole upper half, of less and of more.
    let networks: [(&str, u128, u32); 14] = [
        ("10.1.2.0/24", FOUR | 0x0a01_0200, 120),
        ("10.0.0.0/8", FOUR | 0x0a00_0000, 104),
        ("192.0.2.1/32", FOUR | 0xc000_0201, 128),
        ("192.0.2.0/31", FOUR | 0xc000_0200, 127),
        ("198.51.100.128/25", FOUR | 0xc633_6480, 121),
        ("255.255.255.255/32", FOUR | 0xffff_ffff, 128),
        ("2001:db8:0:1:8000::/65", DOC | 1 << 64 | 1 << 63, 65),
        ("2001:db8:0:1::/64", DOC | 1 << 64, 64),
        ("2001:db8:0:2::/63", DOC | 2 << 64, 63),
        ("2001:db8:1::/48", DOC | 1 << 80, 48),
        ("2001:db8::5/128", DOC | 5, 128),
        ("fe80::/10", 0xfe80 << 112, 10),
        ("ff00::/8", 0xff << 120, 8),
        ("fc00::/7", 0xfc << 120, 7),
    ];
    let rule = |(n, (text, ..)): (usize, &(&str, u128, u32))| {
        format!("on socket_connect when dst.ip in \"{text}\" deny {}\n", errno(n).0)
    };
    let object = Object::of(&networks.iter().enumerate().map(rule).collect::<String>());
    let last = |first: u128, bits: u32| first | u128::MAX.checked_shr(bits).unwrap_or(0);
    for (_, first, bits) in networks {
        let last = last(first, bits);
        for address in [first - 1, first, first + 1, last - 1, last, last.wrapping_add(1)] {
            let around = networks.iter().position(|(_, first, bits)| {
                let differs = address ^ first;
                differs.checked_shr(128 - bits).is_none_or(|differs| differs == 0)
            });
            let wanted = around.map_or(0, |rule| -errno(rule).1);
            assert_eq!(connects(&object, address, 80), wanted, "{address:x}");
        }
    }
}

#[test]
fn rules_of_one_row_act_according_to_their_modes() {
    use krsi_abi::modes::Mode::{self, Enforce, Off, Permissive};
    // Three rules with the same key, and enough others for a search.
    let text: String =
        (0..15).map(|n| format!("r{n}: on file_mprotect when prot == {} deny\n", n.max(2) - 2)).collect();
    let object = Object::of(&text);
    let would = |rule: u32| (rule, EPERM);
    for (modes, verdict, events) in [
        ([Enforce, Enforce, Enforce], -EPERM, vec![]),
        ([Off, Off, Off], 0, vec![]),
        ([Off, Off, Enforce], -EPERM, vec![]),
        ([Permissive, Off, Off], 0, vec![would(0)]),
        ([Permissive, Permissive, Off], 0, vec![would(0), would(1)]),
        ([Permissive, Enforce, Permissive], -EPERM, vec![would(0), would(2)]),
        ([Off, Permissive, Enforce], -EPERM, vec![would(1)]),
    ] as [([Mode; 3], i32, Vec<(u32, i32)>); 7]
    {
        let mut scene = object.scene();
        scene.arguments.insert("prot".into(), 0);
        for (rule, mode) in modes.iter().enumerate() {
            scene.modes.insert(format!("r{rule}"), *mode);
        }
        let run = object.run("file_mprotect", &scene);
        let found: Vec<(u32, i32)> = run
            .events
            .iter()
            .map(|event| {
                let verdict = super::word(event, krsi_abi::event::VERDICT).cast_signed();
                (super::word(event, krsi_abi::event::RULE), verdict)
            })
            .collect();
        assert_eq!((run.verdict, found), (verdict, events), "{modes:?}");
    }
}

#[test]
fn without_an_index_the_result_is_the_same() {
    let ranges: Vec<(u64, u64)> = (0..16).map(|n| (10 * n + 3, 10 * n + 5)).collect();
    let text = denies("file_mprotect", &ranges);
    for optimise in [Optimise::default().without(Optimisation::IndexRanges), Optimise::nothing()] {
        let object = Object::new(&built(&text, optimise), newest());
        assert!(object.image.functions.iter().all(|function| function.name != "krs_find"));
        check_around(&object, "file_mprotect", &ranges);
    }
}
