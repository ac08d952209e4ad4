//! Differences between kernels, and the diagnostics about policies that depend on them.
//!
//! The table `hooks-6.18.txt` was measured on 6.18.15 by loading a program on each hook: its result, whether
//! programs may attach, whether they may sleep there, and the names of its arguments.

use krsic::btf::{Btf, Builder, Def, Kind, Member};
use krsic::hir::{Access, Shape, Step, kernels};
use krsic::kernel::{Ret, sleepable};
use krsic::{Options, Source};

use crate::{codes, codes_on, compare, embedded, typed, typed_on};

const HOOKS: &str = include_str!("hooks-6.18.txt");

#[test]
fn hooks_of_6_18_are_as_measured() {
    let kernel = embedded("6.18");
    let mut count = 0;
    let mut rows = Vec::new();
    for line in HOOKS.lines().filter(|line| !line.starts_with('#')) {
        let [name, ret, attach, sleeps, args] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let hook = kernel.hook(name).unwrap_or_else(|| panic!("no hook {name}"));
        let found_ret = match hook.ret {
            Ret::Void => "void",
            Ret::Int => "int",
            Ret::Bool => "bool",
        };
        let found_attach = if kernel.disabled(name).is_some() { "disabled" } else { "ok" };
        let found_sleeps = if sleepable::sleepable(name) { "sleeps" } else { "-" };
        let found_args = hook.args.iter().map(|arg| arg.name).collect::<Vec<_>>().join(",");
        let wanted = [ret, attach, sleeps, args].map(str::to_owned);
        rows.push((name.to_owned(), [found_ret, found_attach, found_sleeps, &found_args].map(str::to_owned), wanted));
        count += 1;
    }
    assert_eq!(count, 268);
    compare(rows);
}

/// The messages about what kernels lack, and the kernels on which the object can be loaded.
fn survey(text: &str) -> (Vec<String>, Vec<String>) {
    let files = [Source { name: "policy.krs".into(), text: text.into() }];
    let built = krsic::build(&files, &Options { target: Some(embedded("6.12")), ..Options::default() });
    let messages = built.diagnostics.iter().filter(|of| of.code.0 == "KRS0900").map(|of| of.message.clone()).collect();
    let policy = built.value.unwrap_or_else(|| panic!("{text}: {:?}", built.diagnostics)).policy;
    (messages, kernels::survey(&policy).0)
}

#[test]
fn missing_features_by_kernel() {
    let all = krsic::kernel::NAMES;
    compare(
        [
            ("on file_open deny", vec![], &all[..]),
            ("on file_open when task.uid == 0 deny", vec![], &all),
            // `userns_create` was added in 6.1.
            ("on userns_create deny", vec!["there is no hook `userns_create` on 5.10"], &all[1..]),
            // `kuid_t` and `kgid_t` are structs passed by value, which 5.10 does not support.
            ("on path_chown deny", vec!["BPF may not attach to `path_chown` on 5.10"], &all[1..]),
            (
                "on path_chown when path under \"/x\" deny",
                vec!["BPF may not attach to `path_chown` on 5.10"],
                &all[1..],
            ),
            // `RENAME_NOREPLACE` and the others were no argument of the hook before 5.19.
            ("on path_rename when flags & 1 deny", vec!["`path_rename` has no argument `flags` on 5.10"], &all[1..]),
            ("on path_rename audit", vec![], &all),
        ]
        .into_iter()
        .map(|(text, messages, kernels)| {
            let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
            (text.to_owned(), survey(text), (owned(&messages), owned(kernels)))
        }),
    );
}

/// The `since` line of a rule in the printed HIR.
fn since(text: &str) -> String {
    let text = typed(text);
    text.lines().find_map(|line| line.strip_prefix("  since ")).unwrap_or_else(|| panic!("{text}")).to_owned()
}

#[test]
fn features_that_identify_newer_kernels() {
    compare(
        [
            // No embedded kernel before 6.1 has the hook.
            ("@since(\"6.1\") on userns_create deny", "6.1: hook userns_create"),
            ("@since(\"5.11\") on userns_create deny", "5.11: hook userns_create"),
            // 6.1 has the hook but 5.10 lacks it: the number decides as soon as one older kernel has
            // everything.
            ("@since(\"6.2\") on userns_create deny", "6.2: hook userns_create, by its number"),
            ("@since(\"6.12\") on userns_create deny", "6.12: hook userns_create, by its number"),
            ("@since(\"7.2\") on userns_create deny", "7.2: hook userns_create, by its number"),
            // Every kernel has the hook, so that only the number decides.
            ("@since(\"6.1\") on file_open deny", "6.1: , by its number"),
            ("@since(\"5.11\") on file_open deny", "5.11: , by its number"),
            ("@since(\"6.1\") on path_rename when flags & 1 deny", "6.1: argument flags of path_rename"),
            // Another rule requires the hook, and therefore the whole object does.
            ("@since(\"6.1\") on userns_create deny on userns_create audit", "6.1: "),
        ]
        .into_iter()
        .map(|(text, line)| (text.to_owned(), since(text).trim_end().to_owned(), line.trim_end().to_owned())),
    );
}

#[test]
fn versions_of_since() {
    for version in ["5.11", "6.1", "6.12", "7.0", "10.0"] {
        assert_eq!(codes(&format!("@since(\"{version}\") on file_ioctl deny")), [""; 0], "{version}");
    }
    for version in ["5.10", "5.9", "4.19", "6", "6.1.2", "v6.1", "6.x", "6.1-rc1", ""] {
        assert_eq!(codes(&format!("@since(\"{version}\") on file_open deny")), ["KRS0119"], "{version}");
    }
    for args in ["", "()", "(6)", "(\"6.1\", \"6.2\")", "(six)"] {
        assert_eq!(codes(&format!("@since{args} on file_open deny")), ["KRS0119"], "{args}");
    }
}

#[test]
fn since_limits_the_kernels_of_a_rule() {
    // `inode_post_setattr` was added in 6.9.
    assert_eq!(codes("@since(\"6.9\") on inode_post_setattr audit"), [""; 0]);
    assert_eq!(codes("@since(\"6.12\") on inode_post_setattr audit"), [""; 0]);
    assert_eq!(codes("@since(\"6.1\") on inode_post_setattr audit"), ["KRS0900"]);
    assert_eq!(codes("on inode_post_setattr audit"), ["KRS0900"]);
    let outcome = typed_on("6.12", "@since(\"6.1\") on inode_post_setattr audit");
    assert_eq!(outcome.diagnostics[0].message, "there is no hook `inode_post_setattr` on 6.1");
    let outcome = typed_on("6.12", "on inode_post_setattr audit");
    assert_eq!(outcome.diagnostics[0].message, "there is no hook `inode_post_setattr` on 5.10 and 6.1");
}

#[test]
fn target_kernel_too_old_for_a_rule() {
    assert_eq!(codes_on("5.10", "@since(\"6.1\") on userns_create deny"), [""; 0]);
    assert_eq!(codes_on("5.10", "on userns_create deny"), ["KRS0200"]);
    assert_eq!(codes_on("5.10", "@since(\"6.1\") on userns_create deny on no_such deny"), ["KRS0200", "KRS0200"]);
    assert_eq!(codes_on("5.10", "on path_chown deny"), ["KRS0202"]);
    assert_eq!(codes_on("6.1", "on path_chown deny"), ["KRS0900"]);
    // 7.2 alone disables `file_alloc_security`.
    assert_eq!(codes_on("7.2", "on file_alloc_security audit"), ["KRS0202"]);
    assert_eq!(codes_on("6.18", "on file_alloc_security audit"), ["KRS0900"]);
}

/// BTF of `struct s { u32 few[2]; u32 many[4]; u32 one[1]; i32 number; struct s *next; u8 byte; u64 wide; enum
/// e kind; }`.
fn sample() -> Btf {
    let mut builder = Builder::new();
    let s = builder.reserve();
    let (u32, i32) = (builder.int("u32", 4, false), builder.int("i32", 4, true));
    let (u8, u64) = (builder.int("u8", 1, false), builder.int("u64", 8, false));
    let arrays = [2, 4, 1].map(|count| builder.array(u32, count));
    let next = builder.ptr(s);
    let kind = builder.add(Def::Enum { name: "e", bytes: 4, signed: false, values: &[("A", 0)] });
    let member = |name, ty, bit_offset| Member { name, ty, bit_offset, bitfield_bits: 0 };
    let members = [
        member("few", arrays[0], 0),
        member("many", arrays[1], 64),
        member("one", arrays[2], 192),
        member("number", i32, 224),
        member("next", next, 256),
        member("byte", u8, 320),
        member("wide", u64, 384),
        member("kind", kind, 448),
    ];
    builder.define(s, Def::Struct { name: "s", bytes: 64, members: &members });
    Btf::parse(builder.finish()).expect("valid BTF")
}

fn access(steps: Vec<Step>) -> Access {
    Access { is_struct: true, root: "s".to_owned(), steps }
}

#[test]
fn accesses_resolve_on_matching_types() {
    let btf = sample();
    assert!(btf.find(Kind::Struct, "s").is_some());
    let int = |bytes, signed| Shape::Int { bytes, signed };
    let array = |count| Shape::Array { element: Box::new(int(4, false)), count };
    let fits =
        |name: &str, shape: Shape| kernels::resolves(&btf, &access(vec![Step::Field { name: name.to_owned(), shape }]));
    // A kernel with a shorter array lacks the last elements; an array of length 1 may be a variable-length
    // array.
    compare(
        [
            ("few", 1, true),
            ("few", 2, true),
            ("few", 3, false),
            ("many", 4, true),
            ("many", 5, false),
            ("one", 9, true),
        ]
        .map(|(name, count, wanted)| (format!("{name}[{count}]"), fits(name, array(count)), wanted)),
    );
    // Loaders adapt the width of an unsigned load; the width of a signed one must match.
    let enums = |name: &str, bytes| Shape::Enum { name: name.to_owned(), bytes };
    compare(
        [
            ("number", int(4, true), true),
            ("number", int(8, true), false),
            ("number", int(4, false), false),
            ("byte", int(1, false), true),
            ("byte", int(4, false), true),
            ("byte", int(1, true), false),
            ("wide", int(4, false), true),
            ("next", Shape::Pointer, true),
            ("next", int(8, false), false),
            ("next", Shape::Struct, false),
            ("kind", enums("e", 4), true),
            ("kind", enums("f", 4), false),
            ("kind", enums("e", 8), false),
            ("no_such", int(4, false), false),
        ]
        .map(|(name, shape, wanted)| (format!("{name}: {shape:?}"), fits(name, shape), wanted)),
    );
    let element = |index| {
        let few = Step::Field { name: "few".to_owned(), shape: array(2) };
        kernels::resolves(&btf, &access(vec![few, Step::Index(index)]))
    };
    assert_eq!([0, 1, 2].map(element), [true, true, false]);
    let union = Access { is_struct: false, ..access(vec![Step::Field { name: "byte".into(), shape: int(1, false) }]) };
    assert!(!kernels::resolves(&btf, &union), "`s` is a struct");
}
