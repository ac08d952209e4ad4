//! File modes written in decimal: `mode == 777`.
//!
//! Shells and C programs write modes in octal; `chmod 4755` does not even have a prefix.

use krs_grammar::ast::Span;

use super::Checker;
use crate::diag::{Diagnostic, code};
use crate::hir::NamesId;

impl Checker<'_> {
    /// Warns about a decimal literal that is used with a file mode and consists of octal digits.
    pub(super) fn decimal_mode(&mut self, value: u64, of: NamesId, span: Span) {
        let digits = value.to_string();
        let is_mode = self.names[of.index()].members.iter().any(|(name, _)| name == "S_ISUID");
        // A literal as long as its decimal digits has no prefix.
        let decimal = (span.end - span.start) as usize == digits.len();
        if !is_mode || value < 8 || !decimal || digits.contains(['8', '9']) {
            return;
        }
        self.report(
            Diagnostic::warning(code::DECIMAL_MODE, span, format!("`{digits}` is the mode `{value:#o}`"))
                .label("decimal digits")
                .help(format!("write octal numbers with `0o`: `0o{digits}`")),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::codes;

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
            "on path_chmod when mode == 588 deny",
            "on path_chmod when mode & 0xff0 deny",
            "on path_chmod when mode == 493 or mode & 7 deny",
            "on file_open when file.inode.uid == 777 deny",
            "on socket_connect when dst.port == 777 deny",
        ] {
            assert!(codes(rule).is_empty(), "{rule}: {:?}", codes(rule));
        }
    }
}
