//! The nearest names, for "did you mean".

/// Fields by the names that others give them: the struct, the name, and the field; what stands alone has no struct.
const USUAL: &[(&str, &str, &str)] = &[
    ("", "current", "task"),
    ("", "process", "task"),
    ("", "proc", "task"),
    ("", "user", "task.uid"),
    ("", "time", "now"),
    ("task_struct", "user", "uid"),
    ("task_struct", "group", "gid"),
    ("task_struct", "name", "comm"),
    ("task_struct", "command", "comm"),
    ("task_struct", "process", "tgid"),
    ("task_struct", "tid", "pid"),
    ("task_struct", "ppid", "parent.tgid"),
    ("task_struct", "path", "exe"),
    ("task_struct", "executable", "exe"),
    ("task_struct", "binary", "exe"),
    ("task_struct", "capabilities", "caps"),
    ("nsproxy", "user", "user_ns"),
    ("file", "filename", "name"),
    ("file", "owner", "inode.uid"),
    ("inode", "owner", "uid"),
    ("inode", "group", "gid"),
    ("inode", "type", "mode & S_IFMT"),
    ("linux_binprm", "exe", "path"),
    ("linux_binprm", "name", "filename"),
];

/// What a struct has under the name that others give it: `task.user` is `task.uid`.
pub fn usual(of: &str, name: &str) -> Option<&'static str> {
    USUAL.iter().find(|(known, other, _)| *known == of && *other == name).map(|(_, _, own)| *own)
}

/// Names that a typing mistake could have turned into `wrong`, best first, at most three.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = wrong.to_ascii_lowercase();
    let mut scored: Vec<(usize, &str)> = candidates
        .into_iter()
        .filter(|name| !name.is_empty())
        .filter_map(|name| {
            let other = name.to_ascii_lowercase();
            // A third of the letters may be wrong, as in rustc; a name that contains the other is near too.
            let allowed = wrong.len().max(3) / 3;
            let distance = strsim::damerau_levenshtein(&lower, &other);
            if distance <= allowed {
                Some((distance, name))
            } else if lower.len() >= 4 && (other.ends_with(&lower) || other.starts_with(&lower)) {
                Some((allowed + 1, name))
            } else {
                None
            }
        })
        .collect();
    scored.sort_unstable();
    scored.dedup();
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// `a`, `b` and `c`, each in backticks.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>, last: &str) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., end] => format!("{} {last} {end}", all.join(", ")),
    }
}

/// `did you mean ...?`, where a name is near.
pub fn did_you_mean<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = nearest(wrong, candidates);
    (!near.is_empty()).then(|| format!("did you mean {}?", list(near, "or")))
}
