//! The codes of errors and warnings, one row each: `UNKNOWN_HOOK = "KRS0200", "unknown hook"`.
//!
//! | codes | subject |
//! | --- | --- |
//! | 0001-0049 | syntax ([`krs_grammar::error::CODES`]) |
//! | 0100-0149 | names, items, attributes |
//! | 0200-0249 | hooks and their arguments |
//! | 0300-0349 | types and values |
//! | 0350-0379 | sets, parameters, files |
//! | 0380-0389 | labels |
//! | 0390-0399 | ancestors |
//! | 0400-0419 | actions |
//! | 0420-0429 | marks |
//! | 0430-0449 | tests |
//! | 0500-0549 | limits of programs and maps |
//! | 0900-0949 | warnings |
//!
//! Invariants: the rows are sorted by code; a title is a noun phrase or a short statement without a period, true of every
//! diagnostic with the code, and is the heading of the section in `docs/errors.md`; a released code keeps its meaning.
//! Absent: messages and help texts, which the stages that report the codes have.

/// The code of a diagnostic: `KRS` and four digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub &'static str);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal;)*) => {
        $(#[doc = concat!("`", $code, "`: ", $title)] pub const $name: Code = Code($code);)*
        /// All codes with their titles, except for the syntax codes of the grammar.
        pub const CODES: &[(Code, &str)] = &[$(($name, $title)),*];
    };
}

codes! {
    DUPLICATE_ITEM = "KRS0100", "name defined twice";
    UNKNOWN_NAME = "KRS0101", "unknown name";
    UNKNOWN_TYPE = "KRS0102", "unknown type";
    UNSUPPORTED_FEATURE = "KRS0103", "unsupported feature";
    DUPLICATE_RULE = "KRS0104", "rule name used twice";
    RECURSIVE_DEFINITION = "KRS0105", "recursive definition";
    EXPANSION_TOO_LARGE = "KRS0106", "expansion too large";
    INVALID_BLOCK_ITEM = "KRS0107", "item other than a rule in a `where` block";
    UNKNOWN_ATTRIBUTE = "KRS0108", "unknown attribute";
    INVALID_ATTRIBUTE = "KRS0109", "invalid attribute";
    INVALID_USE = "KRS0110", "file cannot be used";
    USE_CYCLE = "KRS0111", "cycle of files that use each other";
    UNKNOWN_MODULE = "KRS0112", "unknown module";
    DUPLICATE_MEMBER = "KRS0113", "duplicate member";
    UNKNOWN_STRUCT = "KRS0114", "unknown struct";
    UNKNOWN_PARAMETER = "KRS0115", "description of an unknown argument";
    INVALID_REFINEMENT = "KRS0116", "description does not apply to the type";
    INVALID_RESULT = "KRS0117", "invalid result type of a definition";
    RESERVED_NAME = "KRS0118", "built-in name reused";
    INVALID_VERSION = "KRS0119", "invalid kernel version";
    UNKNOWN_FUNCTION = "KRS0120", "unknown function";
    INVALID_MEMBER = "KRS0121", "invalid member value";
    UNKNOWN_HOOK = "KRS0200", "unknown hook";
    INVALID_HOOK = "KRS0201", "kernel function is not a hook";
    DISABLED_HOOK = "KRS0202", "hook not available to BPF";
    UNKNOWN_FIELD = "KRS0203", "unknown field";
    UNREADABLE_ARGUMENT = "KRS0204", "argument cannot be read by BPF";
    UNBINDABLE_ARGUMENT = "KRS0205", "argument cannot be located on every kernel";
    DUPLICATE_HOOK = "KRS0206", "hook named twice";
    TYPE_MISMATCH = "KRS0300", "type mismatch";
    INVALID_CONDITION = "KRS0301", "value is not a condition";
    CONSTANT_OUT_OF_RANGE = "KRS0302", "constant out of range";
    NOT_CONSTANT = "KRS0303", "constant expected";
    INVALID_DIVISOR = "KRS0304", "invalid divisor";
    INDEX_OUT_OF_BOUNDS = "KRS0305", "index out of bounds";
    INVALID_CAST = "KRS0306", "invalid cast";
    INVALID_OPERAND = "KRS0307", "operator does not apply to this type";
    MIXED_SIGNEDNESS = "KRS0308", "signed and unsigned integers mixed";
    NO_FIELDS = "KRS0309", "value without fields";
    WRONG_ARGUMENT_COUNT = "KRS0310", "wrong number of arguments";
    INVALID_PATTERN = "KRS0312", "invalid pattern";
    NEVER_NULL = "KRS0330", "comparison with null of a value that is never null";
    UNORDERED = "KRS0331", "values without an order";
    EMPTY_LIST = "KRS0332", "empty list";
    MIXED_LIST = "KRS0333", "list of mixed types";
    MIXED_NAMES = "KRS0334", "names of different types";
    TEXT_TOO_LONG = "KRS0335", "text too long";
    NUL_IN_TEXT = "KRS0336", "NUL in a text";
    EMPTY_MASK = "KRS0337", "test of no bits";
    INVALID_SHIFT = "KRS0338", "shift amount out of range";
    CONSTANT_OVERFLOW = "KRS0339", "constant overflow";
    NOT_AN_ARRAY = "KRS0340", "index into a value that is not an array";
    NEGATED_UNSIGNED = "KRS0341", "negation of an unsigned value";
    INVALID_GLOB = "KRS0342", "malformed glob";
    INVALID_PATH = "KRS0343", "path that no file has";
    INCOMPARABLE = "KRS0344", "values cannot be compared";
    ARGUMENT_MISMATCH = "KRS0345", "argument of another type";
    INVALID_ADDRESS = "KRS0346", "invalid address or network";
    NOT_A_TEXT = "KRS0347", "text or path expected";
    INVALID_SET = "KRS0351", "invalid set";
    INVALID_SET_FILE = "KRS0352", "invalid element file of a set";
    INVALID_PARAM = "KRS0353", "invalid parameter";
    INVALID_MAX = "KRS0360", "invalid maximum size of a set";
    INVALID_INODE = "KRS0361", "invalid path of a file";
    INVALID_LABEL = "KRS0380", "invalid label";
    UNKNOWN_LABEL = "KRS0381", "unknown label";
    WRONG_LABEL_KIND = "KRS0382", "label of another kind of object";
    UNLABELABLE_OBJECT = "KRS0383", "object cannot have labels";
    UNNUMBERED_INODE = "KRS0384", "label on an inode without a number";
    NOT_A_SEQUENCE = "KRS0390", "`any` or `all` over a value without elements";
    MISSING_QUANTIFIER = "KRS0391", "ancestors without `any` or `all`";
    UNAVAILABLE_VALUE = "KRS0392", "value not available in a test of ancestors";
    INVARIANT_CONDITION = "KRS0393", "condition does not depend on the ancestor";
    UNKNOWN_ERRNO = "KRS0400", "unknown errno";
    DENY_ON_VOID = "KRS0401", "`deny` on a hook that cannot deny";
    TOO_MANY_FIELDS = "KRS0402", "too many audit fields";
    DUPLICATE_ACTION = "KRS0403", "action given twice";
    UNKNOWN_SIGNAL = "KRS0404", "unknown signal";
    KILL_WITHOUT_SUBJECT = "KRS0405", "`kill` on a hook without a responsible task";
    DUPLICATE_FIELD = "KRS0410", "duplicate audit field";
    INTERNAL_ERRNO = "KRS0412", "errno internal to the kernel";
    UNRECORDABLE = "KRS0413", "value cannot be recorded";
    UNRETURNABLE_ERRNO = "KRS0414", "`deny` on a hook that cannot return an errno";
    INVALID_LIMIT = "KRS0415", "invalid limit";
    MARK_WITHOUT_OBJECT = "KRS0420", "`mark` without an object";
    MARK_WITHOUT_SUBJECT = "KRS0421", "`mark` on a hook without a responsible task";
    DUPLICATE_MARK = "KRS0422", "object marked twice";
    IDLE_TEST = "KRS0431", "test on a hook without rules";
    INVALID_INPUT = "KRS0432", "invalid input of a test";
    CONFLICTING_INPUT = "KRS0433", "conflicting inputs of a test";
    IMPOSSIBLE_EXPECTATION = "KRS0434", "impossible expectation";
    PROGRAM_TOO_LARGE = "KRS0500", "program too large";
    TABLES_TOO_LARGE = "KRS0501", "tables too large for a map";
    MISSING_ON_KERNEL = "KRS0900", "object cannot be loaded on a kernel";
    ALWAYS_TRUE = "KRS0901", "condition is always true or always false";
    NEVER_MATCHES = "KRS0902", "rule can never match";
    SUBSUMED_RULE = "KRS0903", "rule is redundant";
    UNUSED_ITEM = "KRS0904", "unused item";
    EXEMPTS_ALL = "KRS0905", "`unless` exempts everything";
    KERNEL_ADDRESS = "KRS0906", "kernel address in an event";
    RACY_PATH = "KRS0907", "decision by a name that the caller chose";
    LATE_DENY = "KRS0908", "`deny` too late";
    LITERAL_WILDCARD = "KRS0909", "wildcard in a comparison of characters";
    OPEN_FLAGS = "KRS0910", "file flags compared as a whole";
    DECIMAL_MODE = "KRS0911", "file mode in decimal digits";
    PATH_AS_NAME = "KRS0912", "path compared with a name";
    KIND_BITS = "KRS0913", "file type tested as a bit";
    DUPLICATE_ELEMENT = "KRS0914", "duplicate element";
    WRITE_FLAGS = "KRS0915", "one of two flags for writing";
    MOUNT_TYPE = "KRS0916", "type of a bind mount";
    LOCK_OUT = "KRS0917", "denial that locks everybody out";
    FAMILIES = "KRS0918", "exemption that leaves out Unix sockets";
}

/// The names of the warnings on the command line and in `@allow`.
pub const WARNINGS: &[(Code, &str)] = &[
    (MISSING_ON_KERNEL, "missing-on-kernel"),
    (ALWAYS_TRUE, "always-true"),
    (NEVER_MATCHES, "never-matches"),
    (SUBSUMED_RULE, "subsumed-rule"),
    (UNUSED_ITEM, "unused-item"),
    (EXEMPTS_ALL, "exempts-all"),
    (KERNEL_ADDRESS, "kernel-address"),
    (RACY_PATH, "racy-path"),
    (LATE_DENY, "late-deny"),
    (LITERAL_WILDCARD, "literal-wildcard"),
    (OPEN_FLAGS, "open-flags"),
    (DECIMAL_MODE, "decimal-mode"),
    (PATH_AS_NAME, "path-as-name"),
    (KIND_BITS, "kind-bits"),
    (DUPLICATE_ELEMENT, "duplicate-element"),
    (WRITE_FLAGS, "write-flags"),
    (MOUNT_TYPE, "mount-type"),
    (LOCK_OUT, "lock-out"),
    (FAMILIES, "families"),
];

/// Finds a warning by its code or name: `KRS0904`, `krs904`, `unused-item`, `unused_item`.
#[must_use]
pub fn warning(name: &str) -> Option<Code> {
    let dashed = name.to_ascii_lowercase().replace('_', "-");
    let digits = dashed.strip_prefix("krs").unwrap_or(&dashed);
    WARNINGS
        .iter()
        .find(|(code, known)| *known == dashed || format!("{digits:0>4}") == code.0.trim_start_matches("KRS"))
        .map(|(code, _)| *code)
}

/// Returns the name of a warning.
#[must_use]
pub fn warning_name(code: Code) -> Option<&'static str> {
    WARNINGS.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted() {
        assert!(CODES.is_sorted_by(|(one, _), (other, _)| one < other));
        assert!(WARNINGS.is_sorted_by(|(one, _), (other, _)| one < other));
    }
}
