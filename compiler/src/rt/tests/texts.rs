//! Tests of paths, names, patterns and whole texts.

use std::collections::BTreeSet;

use super::{File, Object, built, newest, plain, word};
use crate::kernel::embedded;
use crate::optimise::{Optimisation, Optimise};
use crate::rt::{COUNT, SCRATCH_MAP, SLOTS};
use crate::simulate::machine::Machine;
use crate::simulate::scene::{Reach, Scene, Tail, named};

/// Returns a name of a given length.
fn name(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| b'a' + (at % 23) as u8).collect()
}

/// Returns the path in the event of `on file_open audit { file.path }`; `None` if it is unknown.
fn path(object: &Object, file: &File<'_>) -> Option<Vec<u8>> {
    let run = object.run("file_open", &object.open(file));
    let [event] = &run.events[..] else { panic!("one event") };
    let text = &event[krsi_abi::event::HEADER_BYTES as usize..];
    let end = text.iter().position(|byte| *byte == 0).expect("a NUL terminates the text");
    (word(event, krsi_abi::event::UNKNOWN) == 0).then(|| text[..end].to_vec())
}

#[test]
fn a_path_starts_at_the_root_of_the_namespace() {
    use Tail::{Deleted, Nowhere, Ordinary};
    let (a, b, tmp, m) = (&b"a"[..], &b"b"[..], &b"tmp"[..], &b"m"[..]);
    let bytes = built("on file_open audit { file.path }", Optimise::default());
    let far = built("on file_open audit { file.path }", Optimise::default().without(Optimisation::PathPrefix));
    for kernel in [&embedded()[0], newest()] {
        for object in [Object::new(&bytes, kernel), Object::new(&far, kernel)] {
            for (mount, below, tail, wanted) in [
                (&[][..], &[][..], Ordinary, "/"),
                (&[], &[a], Ordinary, "/a"),
                (&[], &[a, b], Ordinary, "/a/b"),
                (&[], &[a, b, a, b, a, b, a, b, a, b], Ordinary, "/a/b/a/b/a/b/a/b/a/b"),
                // The root of a mount gets its name from the mount point. It is in no directory, but not
                // deleted.
                (&[tmp, m], &[], Ordinary, "/tmp/m"),
                (&[tmp, m], &[a], Ordinary, "/tmp/m/a"),
                (&[tmp, m], &[a, b], Deleted, "/tmp/m/a/b (deleted)"),
                (&[], &[a], Deleted, "/a (deleted)"),
                (&[], &[a, b, a, b, a, b, a, b, a, b], Deleted, "/a/b/a/b/a/b/a/b/a/b (deleted)"),
                // A file made by memfd_create(2) has a name but no directory.
                (&[], &[b"memfd:x"], Nowhere, "/memfd:x (deleted)"),
            ] {
                let found = path(&object, &File { mount, below, tail });
                assert_eq!(found.as_deref().map(String::from_utf8_lossy).as_deref(), Some(wanted), "{}", kernel.name);
            }
        }
    }
}

#[test]
fn a_file_that_no_path_leads_to_has_no_path_of_another() {
    let bytes = built("on file_open audit { file.path }", Optimise::default());
    for kernel in embedded() {
        let object = Object::new(&bytes, kernel);
        for (reach, below, tail, wanted) in [
            (Reach::Anonymous, &[&b"keys"[..], b"k"][..], Tail::Ordinary, "(unreachable)/keys/k"),
            (Reach::Unmounted, &[b"keys", b"k"], Tail::Ordinary, "(unreachable)/keys/k"),
            (Reach::Internal, &[b"keys", b"k"], Tail::Ordinary, "(unreachable)/keys/k"),
            (Reach::Unmounted, &[b"keys", b"k"], Tail::Deleted, "(unreachable)/keys/k (deleted)"),
            (Reach::Unmounted, &[], Tail::Ordinary, "(unreachable)"),
            // A disconnected dentry, of open_by_handle_at(2), has the name of a root.
            (Reach::Path, &[b"/"], Tail::Nowhere, "(unreachable) (deleted)"),
            (Reach::Internal, &[b"memfd:x"], Tail::Nowhere, "/memfd:x (deleted)"),
            (Reach::Path, &[b"keys", b"k"], Tail::Ordinary, "/keys/k"),
        ] {
            let mut scene = object.scene();
            let mount = scene.top_mount(reach).expect("mounts are known");
            let dentry = scene.file(mount, below, tail).expect("dentries are known");
            let file = scene.object("file", true).expect("files are known");
            scene.set(file, &named("file", &["f_path", "dentry"]), dentry);
            scene.set(file, &named("file", &["f_path", "mnt"]), mount);
            scene.arguments.insert("file".into(), file);
            let run = object.run("file_open", &scene);
            let text = &run.events[0][krsi_abi::event::HEADER_BYTES as usize..];
            let end = text.iter().position(|byte| *byte == 0).expect("a NUL terminates the text");
            assert_eq!(String::from_utf8_lossy(&text[..end]), wanted, "{}", kernel.name);
        }
    }
}

#[test]
fn a_name_of_any_length_is_part_of_a_path() {
    let bytes = built("on file_open audit { file.path }", Optimise::default());
    // The kernel embeds short names in the dentry: up to 31 bytes, and 39 since 6.14.
    for kernel in [&embedded()[0], newest()] {
        let object = Object::new(&bytes, kernel);
        for length in (1..=8).chain([15, 16, 17, 23, 24, 25]).chain(30..=42).chain([63, 64, 65, 127, 128, 254, 255]) {
            let name = name(length);
            for below in [&[&name[..]][..], &[b"d", &name], &[&name, b"f"], &[&name, &name]] {
                let wanted = below.iter().flat_map(|part| [b"/", *part].concat()).collect::<Vec<u8>>();
                assert_eq!(path(&object, &plain(below)), Some(wanted), "{} {length}", kernel.name);
            }
        }
    }
}

#[test]
fn a_path_of_4095_bytes_is_the_longest() {
    let object = Object::of("on file_open audit { file.path }");
    let long = name(255);
    for (last, known) in [(253, true), (254, true), (255, false)] {
        // 15 times 256 bytes, and the last name after its slash.
        let last = name(last);
        let below: Vec<&[u8]> = std::iter::repeat_n(&long[..], 15).chain([&last[..]]).collect();
        let wanted = below.iter().flat_map(|part| [b"/", *part].concat()).collect::<Vec<u8>>();
        assert_eq!(path(&object, &plain(&below)), known.then_some(wanted), "{}", last.len());
    }
    for (count, known) in [(2046, true), (2047, true), (2048, false)] {
        let below: Vec<&[u8]> = std::iter::repeat_n(&b"x"[..], count).collect();
        let wanted = b"/x".repeat(count);
        assert_eq!(path(&object, &plain(&below)), known.then_some(wanted), "{count}");
    }
}

/// Returns true if opening a file is denied.
fn denied(object: &Object, file: &File<'_>) -> bool {
    match object.run("file_open", &object.open(file)).verdict {
        0 => false,
        -1 => true,
        other => panic!("{other}"),
    }
}

#[test]
fn a_whole_path_is_compared_only_where_its_last_name_can_fit() {
    use Tail::{Deleted, Ordinary};
    let (srv, a, m) = (&b"srv"[..], &b"a"[..], &b"m"[..]);
    for (rule, mount, below, tail, wanted) in [
        ("file.path == \"/srv/a\"", &[][..], &[srv, a][..], Ordinary, true),
        ("file.path == \"/srv/a\"", &[], &[srv, m], Ordinary, false),
        ("file.path == \"/srv/a\"", &[], &[a, a], Ordinary, false),
        ("file.path == \"/srv/a\"", &[], &[srv, a], Deleted, false),
        // The last component of a deleted file is shorter than the end of its path.
        ("file.path == \"/srv/a (deleted)\"", &[], &[srv, a], Deleted, true),
        ("file.path == \"/srv/a (deleted)\"", &[], &[srv, a], Ordinary, false),
        ("file.path == \"/srv/a (deleted)\"", &[], &[srv, b"a (deleted)"], Ordinary, true),
        ("file.path in { \"/srv/bcd\", \"/srv/a (deleted)\" }", &[], &[srv, a], Deleted, true),
        // The last component of a mount root is the name of its mount point.
        ("file.path == \"/srv/m\"", &[srv, m], &[], Ordinary, true),
        ("file.path == \"/srv/m\"", &[srv, a], &[], Ordinary, false),
        ("file.path == \"/srv/m/a\"", &[srv, m], &[a], Ordinary, true),
        ("file.path == \"/\"", &[], &[], Ordinary, true),
        ("file.path == \"/\"", &[], &[a], Ordinary, false),
        ("file.path == \"/srv\"", &[srv], &[], Ordinary, true),
        ("file.path != \"/srv/a\"", &[], &[srv, a], Ordinary, false),
        ("file.path != \"/srv/a\"", &[], &[srv, m], Ordinary, true),
        ("file.path != \"/srv/a\"", &[], &[srv, b"other"], Ordinary, true),
    ] {
        let text = format!("on file_open when {rule} deny");
        for optimise in [Optimise::default(), Optimise::default().without(Optimisation::LastName)] {
            let object = Object::new(&built(&text, optimise), newest());
            assert_eq!(denied(&object, &File { mount, below, tail }), wanted, "{rule} {mount:?} {below:?} {tail:?}");
        }
    }
}

#[test]
fn a_path_is_found_among_names_of_all_lengths() {
    // Lengths of last components up to 63 are bits of a word.
    let few: Vec<usize> = vec![1, 7, 8];
    let many: Vec<usize> = vec![2, 3, 5, 8, 13, 16, 21, 31, 32, 33, 62, 63];
    let long: Vec<usize> = [&many[..], &[64, 65, 255]].concat();
    for lengths in [few, many, long] {
        let text: Vec<String> =
            lengths.iter().map(|length| format!("\"/d/{}\"", String::from_utf8_lossy(&name(*length)))).collect();
        let object = Object::of(&format!("on file_open when file.path in {{ {} }} deny", text.join(", ")));
        for length in (1..=70).chain([127, 128, 254, 255]) {
            let mut name = name(length);
            assert_eq!(denied(&object, &plain(&[b"d", &name])), lengths.contains(&length), "{length}");
            assert!(!denied(&object, &plain(&[b"e", &name])), "{length}");
            // A text that differs in any position is not found.
            for at in [0, length / 2, length - 1] {
                name[at] ^= 0x20;
                assert!(!denied(&object, &plain(&[b"d", &name])), "{length} {at}");
                name[at] ^= 0x20;
            }
        }
    }
}

#[test]
fn a_path_is_one_of_many_texts() {
    // More than are compared one by one, so they are looked up by their hashes.
    let texts: Vec<Vec<u8>> = (1..=40).map(name).collect();
    let list: Vec<String> = texts.iter().map(|text| format!("\"/{}\"", String::from_utf8_lossy(text))).collect();
    let object = Object::of(&format!("on file_open when file.path in {{ {} }} deny", list.join(", ")));
    for text in &texts {
        assert!(denied(&object, &plain(&[text])), "{}", text.len());
        for at in 0..text.len() {
            let mut other = text.clone();
            other[at] ^= 0x01;
            assert!(!denied(&object, &plain(&[&other])), "{} {at}", text.len());
        }
    }
    assert!(!denied(&object, &plain(&[&name(41)])));
    assert!(!denied(&object, &plain(&[])));
}

#[test]
fn two_paths_are_compared_byte_by_byte() {
    let object = Object::of("on file_open when file.path == task.exe deny");
    for length in (1..=17).chain([254, 255]) {
        let own = name(length);
        for (other, same) in [
            (own.clone(), true),
            ([&own[..length - 1], b"~"].concat(), false),
            ([b"~", &own[1..]].concat(), false),
            (own[..length - 1].to_vec(), false),
        ] {
            if other.is_empty() {
                continue;
            }
            let mut scene = object.open(&plain(&[b"bin", &own]));
            let mount = scene.mounted(&[]).expect("mounts are known");
            let dentry = scene.file(mount, &[b"bin", &other], Tail::Ordinary).expect("dentries are known");
            let exe = scene.object("file", true).expect("files are known");
            scene.set(exe, &named("file", &["f_path", "dentry"]), dentry);
            scene.set(exe, &named("file", &["f_path", "mnt"]), mount);
            let mm = scene.object("mm_struct", true).expect("memory is known");
            scene.set(mm, &named("mm_struct", &["exe_file"]), exe);
            scene.set(scene.task.address, &named("task_struct", &["mm"]), mm);
            assert_eq!(object.run("file_open", &scene).verdict, if same { -1 } else { 0 }, "{length} {same}");
        }
    }
}

/// Makes a file the executable of a task.
fn executes(scene: &mut Scene<'_>, task: u64, below: &[&[u8]]) {
    let mount = scene.mounted(&[]).expect("mounts are known");
    let dentry = scene.file(mount, below, Tail::Ordinary).expect("dentries are known");
    let exe = scene.object("file", true).expect("files are known");
    scene.set(exe, &named("file", &["f_path", "dentry"]), dentry);
    scene.set(exe, &named("file", &["f_path", "mnt"]), mount);
    let mm = scene.object("mm_struct", true).expect("memory is known");
    scene.set(mm, &named("mm_struct", &["exe_file"]), exe);
    scene.set(task, &named("task_struct", &["mm"]), mm);
}

/// Each text has its own hash, whichever texts are hashed before it.
#[test]
fn three_texts_are_looked_up_in_their_tables() {
    let set = |folder: &str| {
        let names: Vec<String> = (0..40).map(|at| format!("\"/{folder}/{at}\"")).collect();
        format!("{{ {} }}", names.join(", "))
    };
    let condition =
        format!("file.path in {} and task.exe in {} and task.parent.exe in {}", set("srv"), set("bin"), set("opt"));
    let object = Object::of(&format!("on file_open when {condition} deny EACCES"));
    for (file, own, above, denied) in [
        (&b"0"[..], &b"0"[..], &b"0"[..], true),
        (b"39", b"7", b"21", true),
        (b"40", b"7", b"21", false),
        (b"39", b"70", b"21", false),
        (b"39", b"7", b"41", false),
    ] {
        let mut scene = object.open(&plain(&[b"srv", file]));
        let (task, parent) = (scene.task.address, scene.object("task_struct", true).expect("tasks are known"));
        scene.set(task, &named("task_struct", &["real_parent"]), parent);
        executes(&mut scene, task, &[b"bin", own]);
        executes(&mut scene, parent, &[b"opt", above]);
        assert_eq!(object.run("file_open", &scene).verdict, if denied { -13 } else { 0 });
    }
}

/// Programs can interrupt each other on one processor while they read texts. Each claims the first free memory slot: it does
/// not overwrite a slot that is in use, and without a free slot its texts are unknown.
#[test]
fn programs_that_interrupt_each_other_have_their_own_memory() {
    for condition in [
        "file.path like \"/srv/*.key\"",
        "file.path == \"/srv/a.key\"",
        "any a in task.ancestors { a.exe like \"/bin/*d\" }",
        "any a in task.ancestors { a.exe == \"/bin/sshd\" } and file.path under \"/srv\"",
        "file.path under \"/srv\" and all a in task.ancestors { a.exe == \"/bin/sshd\" }",
    ] {
        let object = Object::of(&format!("on file_open when {condition} deny EACCES"));
        let mut scene = object.open(&plain(&[b"srv", b"a.key"]));
        // The parent of the parent is the idle task, whose pid is 0.
        let [parent, idle] = [(); 2].map(|()| scene.object("task_struct", true).expect("tasks are known"));
        scene.set(scene.task.address, &named("task_struct", &["real_parent"]), parent);
        scene.set(parent, &named("task_struct", &["pid"]), 7);
        scene.set(parent, &named("task_struct", &["real_parent"]), idle);
        scene.set(idle, &named("task_struct", &["pid"]), 0);
        executes(&mut scene, parent, &[b"bin", b"sshd"]);
        for taken in 0..=SLOTS {
            let mut machine = Machine::new(&object.image, scene.clone()).expect("the scene fits");
            for slot in 0..taken {
                assert!(machine.change(SCRATCH_MAP, &slot.to_le_bytes(), COUNT as usize, &1u64.to_le_bytes()));
            }
            let slots = |machine: &Machine<'_>| {
                let slot = |at: i32| machine.value(SCRATCH_MAP, &at.to_le_bytes()).expect("each has memory").to_vec();
                (0..taken).map(slot).collect::<Vec<_>>()
            };
            let before = slots(&machine);
            let run = machine.run("file_open").unwrap_or_else(|fault| panic!("{fault}"));
            // Without a slot no path can be read, which counts against the operation.
            assert_eq!(run.verdict, -13, "{condition}, {taken} taken");
            assert!(slots(&machine) == before, "{condition}: a used slot was written, {taken} used");
        }
    }
}

#[test]
fn parts_of_a_path_are_compared() {
    let tests = [
        "file.path under \"/srv\"",
        "file.path under \"/\"",
        "starts_with(file.path, \"/srv/abcdefg\")",
        "ends_with(file.path, \"defg.key\")",
        "contains(file.path, \"bcd\")",
        "file.path like \"/srv/*.key\"",
        "file.path like \"/srv/**.key\"",
        "file.path like \"/srv/?\"",
        "file.path like \"/srv/[!a-c]*\"",
        "file.path like \"/{srv,opt}/{a,b{c,d}}\"",
        "not file.path under \"/srv\"",
    ];
    let text: String = tests.iter().map(|test| format!("on file_open when {test} audit\n")).collect();
    for optimise in [Optimise::default(), Optimise::nothing(), Optimise::default().without(Optimisation::MergePatterns)]
    {
        let object = Object::new(&built(&text, optimise), newest());
        for (below, fits) in [
            (&["srv"][..], &[0, 1][..]),
            (&["srvx"], &[1, 10]),
            (&["srw"], &[1, 10]),
            (&["sr"], &[1, 10]),
            (&[], &[1, 10]),
            (&["srv", "a"], &[0, 1, 7, 9]),
            (&["srv", "z"], &[0, 1, 7, 8]),
            (&["opt", "bd"], &[1, 9, 10]),
            (&["opt", "bcd"], &[1, 4, 10]),
            (&["srv", "abcdef"], &[0, 1, 4]),
            (&["srv", "abcdefg"], &[0, 1, 2, 4]),
            (&["srv", "abcdefgh"], &[0, 1, 2, 4]),
            (&["srv", "abcdefg.key"], &[0, 1, 2, 3, 4, 5, 6]),
            (&["srv", "x", "defg.key"], &[0, 1, 3, 6]),
            (&["srv", "x", "defg.kez"], &[0, 1]),
            (&["defg.key"], &[1, 3, 10]),
            (&["efg.key"], &[1, 10]),
            (&["x", "srv", "a"], &[1, 10]),
        ] {
            let fits: BTreeSet<u32> = fits.iter().copied().collect();
            let below: Vec<&[u8]> = below.iter().map(|part| part.as_bytes()).collect();
            let found = object.recorded(&plain(&below));
            assert_eq!(
                found,
                fits,
                "{:?} {optimise:?}",
                below.iter().map(|part| String::from_utf8_lossy(part)).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn prefixes_and_suffixes_of_every_length_are_compared() {
    let whole = name(20);
    let part = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut text = String::new();
    for length in 1..=20 {
        text += &format!("on file_open when starts_with(file.path, \"/{}\") audit\n", part(&whole[..length]));
        text += &format!("on file_open when ends_with(file.path, \"{}\") audit\n", part(&whole[20 - length..]));
    }
    let object = Object::new(&built(&text, Optimise::default().without(Optimisation::MergePatterns)), newest());
    let all: BTreeSet<u32> = (0..40).collect();
    assert_eq!(object.recorded(&plain(&[&whole])), all);
    for at in 0..20 {
        let mut other = whole.clone();
        other[at] = b'~';
        // Prefixes that end before the byte, and suffixes that begin after it.
        let begins = (0..20u32).filter(|rule| (*rule as usize) < at).map(|rule| 2 * rule);
        let ends = (0..20u32).filter(|rule| (*rule as usize) < 19 - at).map(|rule| 2 * rule + 1);
        assert_eq!(object.recorded(&plain(&[&other])), begins.chain(ends).collect(), "{at}");
        let begins = (0..at as u32).map(|rule| 2 * rule);
        let short = object.recorded(&plain(&[&whole[..at.max(1)]]));
        assert!(
            begins.clone().all(|rule| short.contains(&rule))
                && short.iter().filter(|rule| *rule % 2 == 0).count() == at.max(1),
            "{at}"
        );
    }
}

#[test]
fn many_patterns_are_matched_together() {
    // 60 directories and 40 suffixes, of which each text matches some.
    let under = |n: usize| format!("on file_open when file.path under \"/srv/{n}\" audit\n");
    let ends = |n: usize| format!("on file_open when ends_with(file.path, \"{n}.k\") audit\n");
    let text: String = (0..60).map(under).chain((0..40).map(ends)).collect();
    let object = Object::of(&text);
    assert!(object.image.functions.iter().any(|function| function.name == "krs_match"));
    for (below, fits) in [
        (&["srv", "7"][..], &[7][..]),
        (&["srv", "7", "x"], &[7]),
        (&["srv", "77"], &[]),
        (&["srv", "5", "x", "y12.k"], &[5, 60 + 2, 60 + 12]),
        (&["srv", "59", "3.k"], &[59, 60 + 3]),
        (&["srv", "60", "39.k"], &[60 + 9, 60 + 39]),
        (&["39.k"], &[60 + 9, 60 + 39]),
        (&["39.kk"], &[]),
        (&["srw", "7"], &[]),
    ] {
        let below: Vec<&[u8]> = below.iter().map(|part| part.as_bytes()).collect();
        assert_eq!(object.recorded(&plain(&below)), fits.iter().copied().collect(), "{below:?}");
    }
}
