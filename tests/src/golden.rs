//! Decision whether a run writes goldens or compares with them.
//!
//! `KRS_UPDATE=1 cargo test -p krs-tests --test cases` writes them. Continuous integration (`CI` is set)
//! rejects this, since a run that writes its own expectations cannot fail.
//!
//! Absent: reading and writing the files, which each test does itself.

/// Returns true if goldens must be written.
///
/// # Panics
/// Panics if both `KRS_UPDATE` and `CI` are set in the environment.
#[must_use]
pub fn update() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match decide(set("KRS_UPDATE"), set("CI")) {
        Ok(update) => update,
        Err(message) => panic!("{message}"),
    }
}

fn decide(update: bool, ci: bool) -> Result<bool, &'static str> {
    match (update, ci) {
        (true, true) => Err("KRS_UPDATE is set in continuous integration, where goldens must be compared: unset it"),
        (update, _) => Ok(update),
    }
}

#[cfg(test)]
mod tests {
    use super::decide;

    #[test]
    fn goldens_are_not_written_in_continuous_integration() {
        assert_eq!(decide(false, false), Ok(false));
        assert_eq!(decide(false, true), Ok(false));
        assert_eq!(decide(true, false), Ok(true));
        assert!(decide(true, true).is_err());
    }
}
