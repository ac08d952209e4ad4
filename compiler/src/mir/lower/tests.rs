//! Tests of generated code that depends on a policy, run by the simulator: labels, and the manifest of an
//! object.
//!
//! ```text
//! on ptrace_access_check mark a on child unmark a      child is the current task: it has `a` afterwards
//! ```
//!
//! Absent: searches and texts, which `bpf::rt::tests` covers.

use std::collections::BTreeSet;

use krsi_abi::labels::Object as On;

use crate::hir::eval::{Entry, Labels, ObjectKey};
use crate::rt::tests::Object;
use crate::simulate::machine::Machine;
use crate::simulate::scene::{Scene, named};

/// Returns the labels of all objects after a hook has run.
fn after(object: &Object, hook: &str, scene: Scene<'static>) -> Labels {
    let mut machine = Machine::new(&object.image, scene).expect("the scene fits");
    machine.run(hook).unwrap_or_else(|fault| panic!("{fault}"));
    machine.labels().expect("labels are readable")
}

/// Creates the labels of one object.
fn labelled(known: ObjectKey, labels: &[&str]) -> Labels {
    let entry = Entry { labels: labels.iter().map(|label| (*label).to_owned()).collect(), former: 0 };
    Labels { entries: [(known, entry)].into(), ..Labels::default() }
}

/// Returns the labels of one object.
fn of(labels: &Labels, known: ObjectKey) -> BTreeSet<&str> {
    labels.entries.get(&known).map_or(BTreeSet::new(), |entry| entry.labels.iter().map(String::as_str).collect())
}

#[test]
fn a_mark_wins_over_an_unmark_of_the_same_object() {
    for rules in [
        "one: on ptrace_access_check mark a on child\ntwo: on ptrace_access_check unmark a",
        "one: on ptrace_access_check unmark a\ntwo: on ptrace_access_check mark a on child",
        "one: on ptrace_access_check mark a\ntwo: on ptrace_access_check unmark a on child",
        "on ptrace_access_check unmark a on child mark a",
        "on ptrace_access_check unmark a mark a on child",
    ] {
        let object = Object::of(&format!("label a on task\nlabel b on task\n{rules} mark b on child"));
        // Two expressions that denote one task.
        for before in [&[][..], &["a"], &["b"]] {
            let mut scene = object.scene();
            let own = (On::Task, [scene.task.address, 0]);
            scene.arguments.insert("child".into(), scene.task.address);
            scene.labels = labelled(own, before);
            let labels = after(&object, "ptrace_access_check", scene);
            assert_eq!(of(&labels, own), ["a", "b"].into(), "{rules} {before:?}");
        }
        // Two different tasks.
        let mut scene = object.scene();
        let child = scene.object("task_struct", true).expect("tasks are known");
        scene.set(child, &named("task_struct", &["group_leader"]), child);
        scene.arguments.insert("child".into(), child);
        let (own, other) = ((On::Task, [scene.task.address, 0]), (On::Task, [child, 0]));
        scene.labels = labelled(own, &["a"]);
        scene.labels.entries.extend(labelled(other, &["a"]).entries);
        let labels = after(&object, "ptrace_access_check", scene);
        let marked_is_child = rules.contains("mark a on child") && !rules.contains("unmark a on child");
        let (with, without) = if marked_is_child { (other, own) } else { (own, other) };
        assert!(of(&labels, with).contains("a") && !of(&labels, without).contains("a"), "{rules}");
    }
}

#[test]
fn a_file_keeps_its_labels_where_it_is_read_again_under_its_number() {
    const EXT4: u64 = 0xef53;
    const TMPFS: u64 = 0x0102_1994;
    const ACTIVE: u64 = 1 << 30;
    // SB_KERNMOUNT and SB_NOUSER.
    const KERNEL: u64 = 1 << 22;
    const NO_USER: u64 = 1 << 31;
    let object = Object::of("label a on inode\non file_open mark a on file.inode");
    for (links, magic, disk, flags, root, kept) in [
        // A file system on a disk reads its files again, even after it was unmounted for a while; unlinked
        // files are gone.
        (1, EXT4, true, ACTIVE, true, true),
        (1, EXT4, true, 0, true, true),
        (1, EXT4, true, 0, false, true),
        (0, EXT4, true, ACTIVE, true, false),
        // File systems that renumber files: FAT, exFAT and procfs.
        (1, 0x4d44, true, ACTIVE, true, false),
        (1, 0x2011_bab0, true, ACTIVE, true, false),
        (1, 0x9fa0, false, ACTIVE, true, false),
        // File systems in memory keep their files while they are mounted.
        (1, TMPFS, false, ACTIVE, true, true),
        (0, TMPFS, false, ACTIVE, true, false),
        (1, TMPFS, false, 0, true, false),
        (1, TMPFS, false, ACTIVE, false, false),
        // Pipes, sockets and the like.
        (1, TMPFS, false, ACTIVE | KERNEL, true, false),
        (1, TMPFS, false, ACTIVE | NO_USER, true, false),
    ] {
        let mut scene = object.scene();
        let inode = scene.object("inode", true).expect("inodes are known");
        let sb = scene.object("super_block", true).expect("file systems are known");
        let some = scene.put_bytes(&[0; 64]);
        for (field, value) in [("i_ino", 12), ("i_sb", sb), ("i_nlink", links)] {
            assert!(scene.set(inode, &named("inode", &[field]), value), "{field}");
        }
        let pointer = |there| if there { some } else { 0 };
        for (field, value) in
            [("s_dev", 5), ("s_magic", magic), ("s_bdev", pointer(disk)), ("s_flags", flags), ("s_root", pointer(root))]
        {
            assert!(scene.set(sb, &named("super_block", &[field]), value), "{field}");
        }
        scene.arguments.insert("inode".into(), inode);
        let known = (On::Inode, [12, 5]);
        scene.labels = labelled(known, &["a"]);
        let labels = after(&object, "inode_free_security", scene);
        let row = format!("{links} {magic:#x} {disk} {flags:#x} {root}");
        assert_eq!(labels.entries.contains_key(&known), kept, "{row}");
    }
}

#[test]
fn tests_see_the_labels_from_before_the_operation() {
    let object = Object::of(
        "label a on task\n\
         on file_open unless task is a audit mark a\n\
         on file_open when task is a deny unmark a",
    );
    let file = |scene: &mut Scene<'static>| {
        let file = scene.object("file", true).expect("files are known");
        scene.arguments.insert("file".into(), file);
        (On::Task, [scene.task.address, 0])
    };
    let mut scene = object.scene();
    let own = file(&mut scene);
    let run = object.run("file_open", &scene);
    assert_eq!((run.verdict, run.events.len()), (0, 1));
    assert_eq!(of(&after(&object, "file_open", scene), own), ["a"].into());
    let mut scene = object.scene();
    let own = file(&mut scene);
    scene.labels = labelled(own, &["a"]);
    let run = object.run("file_open", &scene);
    assert_eq!((run.verdict, run.events.len()), (-1, 0));
    assert_eq!(of(&after(&object, "file_open", scene), own), BTreeSet::new());
}

#[test]
fn the_manifest_describes_the_rules() {
    let text = "\
param least: u32 = 7
param most: u64 = 9
set ports: u16 dynamic max 5
label a on task inherit
## Says why.
@severity(high)
one: on file_open when task.uid >= least and task.uid <= most deny EACCES audit { task.gid, task.uid } limit 3/m
@permissive
two: on file_open when file.inode == inode(\"/etc/shadow\") deny kill SIGUSR1
three: on socket_connect when dst.port in ports audit \"port\" mark a
";
    let manifest = Object::of(text).image.manifest;
    let [one, two, three] = &manifest.rules[..] else { panic!("three rules") };
    assert_eq!((&*one.name, one.doc.as_deref(), one.deny), ("one", Some("Says why."), Some(13)));
    assert_eq!((one.severity.as_deref(), one.permissive, one.kill.as_deref()), (Some("high"), false, None));
    assert_eq!((&*two.name, two.deny, two.permissive, two.kill.as_deref()), ("two", Some(1), true, Some("SIGUSR1")));
    assert_eq!((&*three.name, three.deny, three.kill.as_deref()), ("three", None, None));
    // The position of a rule includes its attributes.
    assert_eq!((one.source.line, one.source.column), (6, 1));
    let audit = one.audit.as_ref().expect("it records");
    // The header of 72 bytes is followed by the count of events over the limit.
    let fields: Vec<(&str, u32)> = audit.fields.iter().map(|field| (&*field.name, field.offset)).collect();
    assert_eq!((fields, audit.bytes), (vec![("task.gid", 80), ("task.uid", 84)], 88));
    assert_eq!(audit.limit.map(|limit| (limit.count, limit.offset)), Some((3, 72)));
    assert!(two.audit.is_none());
    let audit = three.audit.as_ref().expect("it records");
    assert_eq!((audit.message.as_deref(), audit.bytes, audit.limit.is_none()), (Some("port"), 72, true));
    let hook = |rule: &krsi_abi::manifest::Rule| &*manifest.programs[rule.program as usize].hook;
    assert_eq!([one, two, three].map(hook), ["file_open", "file_open", "socket_connect"]);
    let params: Vec<(&str, u32, u64)> =
        manifest.params.iter().map(|param| (&*param.name, param.offset, param.default)).collect();
    assert_eq!(params, [("least", 0, 7), ("most", 8, 9)]);
    assert_eq!(manifest.files.iter().map(|file| &*file.path).collect::<Vec<_>>(), ["/etc/shadow"]);
    assert_eq!(manifest.sets.iter().map(|set| (&*set.name, set.max)).collect::<Vec<_>>(), [("ports", 5)]);
    let labels: Vec<(&str, bool)> = manifest.labels.iter().map(|label| (&*label.name, label.inherit)).collect();
    assert_eq!(labels, [("a", true)]);
    // Programs that only maintain labels have no rules.
    let keeps: Vec<bool> = manifest.programs.iter().map(|program| program.keeps).collect();
    assert!(keeps.iter().any(|keeps| *keeps));
    for program in &manifest.programs {
        let rules = manifest.rules.iter().filter(|rule| hook(rule) == program.hook).count();
        assert!(rules > 0 || program.keeps, "{}", program.hook);
    }
}

#[test]
fn the_ring_buffer_has_room_for_64_of_the_largest_events() {
    let room = |text: &str| {
        let maps = Object::of(text).image.maps;
        let events = maps.iter().find(|map| map.name == krsi_abi::EVENTS_MAP).expect("it records");
        events.entries
    };
    // The minimum size of the buffer.
    assert_eq!(room("on file_open audit"), krsi_abi::EVENTS_BYTES as usize);
    // Two paths of 4096 bytes after a header of 72, and 8 bytes of the kernel's own header: 64 of them take
    // 529,408 bytes.
    let paths = "on file_open audit { a = file.path, b = task.exe }";
    assert_eq!(room(paths), 1 << 20);
}

/// A hook that creates or ends an object keeps labels only for kinds of objects that have labels.
#[test]
fn labels_of_one_kind_make_no_map_of_another() {
    for hook in ["task_alloc", "bprm_creds_from_file", "bprm_committing_creds", "sk_clone_security", "task_free"] {
        let of = |on: &str, rule: &str| {
            let object = Object::of(&format!("label l on {on}\non {hook} audit\n{rule}"));
            let all = [On::Task, On::Inode, On::Socket].map(On::map);
            let maps = object.image.maps.iter().map(|map| map.name.clone());
            maps.filter(|map| all.contains(&map.as_str())).collect::<Vec<_>>()
        };
        assert_eq!(of("inode", "on inode_create mark l on dir"), ["krs_inodes"], "{hook}");
        assert_eq!(of("socket", "on socket_connect mark l on sock"), ["krs_socks"], "{hook}");
        assert_eq!(of("task", "on file_open mark l"), ["krs_tasks"], "{hook}");
    }
}
