//! File modes that were written in decimal digits: `mode == 777`.
//!
//! Shells and C programs have modes in octal, and `chmod 4755` says so nowhere.

use krs_grammar::ast::Span;

use super::Checker;
use crate::diag::{Diagnostic, code};
use crate::hir::NamesId;

impl Checker<'_> {
    /// Warns of a literal beside a file mode that would be another number in octal.
    pub(super) fn decimal_mode(&mut self, value: u64, of: NamesId, span: Span) {
        let digits = value.to_string();
        let is_mode = self.names[of.index()].members.iter().any(|(name, _)| name == "S_ISUID");
        // No prefix leaves a literal as long as its decimal digits.
        let decimal = (span.end - span.start) as usize == digits.len();
        if !is_mode || value < 8 || !decimal || digits.contains(['8', '9']) {
            return;
        }
        self.report(
            Diagnostic::warning(code::DECIMAL_MODE, span, format!("`{digits}` is the mode `{value:#o}`"))
                .label("decimal digits")
                .help(format!("an octal number begins with `0o`: write `0o{digits}`")),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::lint::testing::codes;

    #[test]
    fn decimal_digits_are_found() {
        for rule in [
            "on path_chmod when mode == 777 deny",
            "on path_chmod when mode & 4000 deny",
            "on path_chmod when mode has 6000 deny",
            "on path_chmod when mode & (4000|S_ISGID) deny",
            "on path_chmod, path_mkdir when mode in { 0o755, 777 } deny",
            "on file_open when file.inode.mode & 22 deny",
            "on file_open unless file.inode.mode & 0o7777 == 640 deny",
        ] {
            assert_eq!(codes(rule), ["KRS0911"], "{rule}");
        }
    }

    #[test]
    fn other_numbers_are_left_alone() {
        for rule in [
            "on path_chmod when mode == 0o777 deny",
            "on path_chmod when mode & 0xff0 deny",
            "on path_chmod when mode == 493 or mode & 7 deny",
            "on file_open when file.inode.uid == 777 deny",
            "on socket_connect when dst.port == 777 deny",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
