//! The table of all codes, one row each. Codes are never reused.
//!
//! Ranges: 0001-0099 syntax, 0100-0199 names and items, 0200-0299 hooks and kernels, 0300-0399 types, 0400-0499
//! actions, 0500-0599 code and limits, 0900-0999 warnings.

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
        $(#[doc = $title] pub const $name: Code = Code($code);)*
        /// Code and title of each, except for the syntax codes, which the grammar defines.
        pub const CODES: &[(Code, &str)] = &[$(($name, $title)),*];
    };
}

codes! {
    DUPLICATE_ITEM = "KRS0100", "a name is defined twice";
    UNKNOWN_NAME = "KRS0101", "no such name here";
    UNKNOWN_TYPE = "KRS0102", "no such type";
    NOT_YET = "KRS0103", "a feature that this version does not have";
    DUPLICATE_RULE = "KRS0104", "two rules of one name";
    CYCLE = "KRS0105", "a definition that needs itself";
    EXPANDS = "KRS0106", "definitions that expand too far";
    NOT_A_RULE = "KRS0107", "an item in a `where` block that is no rule";
    UNKNOWN_ATTRIBUTE = "KRS0108", "no such attribute";
    BAD_ATTRIBUTE = "KRS0109", "an attribute that does not take this";
    BAD_USE = "KRS0110", "a file that cannot be used";
    USE_CIRCLE = "KRS0111", "files that use each other in a circle";
    UNKNOWN_MODULE = "KRS0112", "no such module";
    DUPLICATE_MEMBER = "KRS0113", "a name that an item has twice";
    UNKNOWN_STRUCT = "KRS0114", "no such struct";
    UNKNOWN_PARAMETER = "KRS0115", "a description of an argument that no kernel has";
    NOT_REFINED = "KRS0116", "a description that does not fit to what is described";
    RESULT = "KRS0117", "a definition of another type than it says";
    TAKEN = "KRS0118", "a name that the language has";
    UNKNOWN_FUNCTION = "KRS0120", "no such function";
    BAD_MEMBER = "KRS0121", "a member whose value its type cannot hold";
    UNKNOWN_HOOK = "KRS0200", "no such hook";
    NOT_A_HOOK = "KRS0201", "a kernel function that is no hook";
    DISABLED_HOOK = "KRS0202", "a hook that BPF may not attach to";
    UNKNOWN_FIELD = "KRS0203", "no such field";
    UNUSABLE_ARGUMENT = "KRS0204", "an argument that BPF cannot read";
    UNBINDABLE_ARGUMENT = "KRS0205", "an argument that no loader can find on every kernel";
    MISMATCH = "KRS0300", "a value of another type is needed";
    NOT_A_CONDITION = "KRS0301", "a value that is no condition";
    OUT_OF_RANGE = "KRS0302", "a constant that the type cannot hold";
    NOT_CONSTANT = "KRS0303", "a value that must be constant";
    BAD_DIVISOR = "KRS0304", "a divisor that is not a non-zero constant";
    BAD_INDEX = "KRS0305", "an index that the array does not have";
    BAD_CAST = "KRS0306", "a conversion that does not exist";
    BAD_OPERAND = "KRS0307", "an operator that does not work on this type";
    MIXED_SIGNS = "KRS0308", "integers that no type holds both of";
    NO_FIELDS = "KRS0309", "a value that has no fields";
    BAD_CALL = "KRS0310", "a call that does not fit its definition";
    BAD_PATTERN = "KRS0312", "a text or pattern that nothing can match";
    BAD_SET = "KRS0351", "a set that cannot be";
    BAD_SET_FILE = "KRS0352", "a set's file that cannot be read";
    BAD_PARAM = "KRS0353", "a parameter that cannot be";
    BAD_MAX = "KRS0360", "a set that cannot be so large";
    BAD_INODE = "KRS0361", "a file that cannot be found by its path";
    NEVER_NULL = "KRS0330", "a comparison with null of what is never null";
    UNORDERED = "KRS0331", "an order of values that have none";
    EMPTY_LIST = "KRS0332", "an empty list";
    MIXED_LIST = "KRS0333", "a list of values that do not belong together";
    OTHER_NAMES = "KRS0334", "names of two types";
    TOO_LONG = "KRS0335", "a text that is longer than what it is compared with";
    NUL = "KRS0336", "a NUL in a text";
    NO_BITS = "KRS0337", "a test of no bits";
    BAD_SHIFT = "KRS0338", "a shift by more bits than there are";
    OVERFLOW = "KRS0339", "a constant that does not fit into 64 bits";
    NOT_AN_ARRAY = "KRS0340", "an index of what is no array";
    NO_NEGATIVE = "KRS0341", "a negative of a value without sign";
    BAD_GLOB = "KRS0342", "a glob that cannot be read";
    NOT_A_PATH = "KRS0343", "a path that no file has";
    INCOMPARABLE = "KRS0344", "values that cannot be compared with each other";
    WRONG_ARGUMENT = "KRS0345", "an argument of another type";
    BAD_ADDRESS = "KRS0346", "an address or a network that cannot be read";
    NOT_A_TEXT = "KRS0347", "a test of texts on what is none";
    BAD_LABEL = "KRS0380", "a label that cannot be";
    UNKNOWN_LABEL = "KRS0381", "no such label";
    OTHER_OBJECT = "KRS0382", "a label of another kind of object";
    NO_OBJECT = "KRS0383", "a label on what can have none";
    UNBORN = "KRS0384", "a label on a file that is not yet one";
    NO_ELEMENTS = "KRS0390", "a value that has no elements to ask";
    NEEDS_ANY = "KRS0391", "ancestors without `any` or `all`";
    OUTSIDE = "KRS0392", "a value that is not at hand for an ancestor";
    ASKS_NOTHING = "KRS0393", "a question that is not about the ancestor";
    BAD_ERRNO = "KRS0400", "no errno that this hook may return";
    DENY_ON_VOID = "KRS0401", "a deny on a hook that cannot deny";
    TOO_MANY_FIELDS = "KRS0402", "more audit fields than an event has room for";
    DUPLICATE_ACTION = "KRS0403", "an action given twice";
    UNKNOWN_SIGNAL = "KRS0404", "no such signal";
    KILL_OF_ANOTHER = "KRS0405", "a kill where the current task is another's";
    DUPLICATE_FIELD = "KRS0410", "two audit fields of one name";
    DUPLICATE_HOOK = "KRS0411", "a hook named twice";
    INTERNAL_ERRNO = "KRS0412", "an errno that must not reach user space";
    UNRECORDABLE = "KRS0413", "a value that cannot be recorded";
    BAD_LIMIT = "KRS0415", "a limit that says nothing";
    ANSWERS = "KRS0414", "a deny on a hook that answers a question";
    MARK_OF_NOTHING = "KRS0420", "a mark that does not say on what";
    MARK_OF_ANOTHER = "KRS0421", "a mark where the current task is another's";
    DUPLICATE_MARK = "KRS0422", "a rule that marks one object twice";
    BAD_VERSION = "KRS0430", "a version of the kernel that cannot be";
    IDLE_TEST = "KRS0431", "a test on a hook that no rule is on";
    BAD_GIVEN = "KRS0432", "a test that gives what lies nowhere";
    GIVEN_TWICE = "KRS0433", "what a test gives twice, or behind null";
    BAD_EXPECTATION = "KRS0434", "an expectation that no rule can meet";
    TOO_LARGE = "KRS0500", "a hook whose rules make too large a program";
    TABLES_TOO_LARGE = "KRS0501", "tables that are too large for a map";
    MISSING_ON_KERNEL = "KRS0900", "a kernel that the object cannot be loaded on";
    ALWAYS_TRUE = "KRS0901", "a comparison that is always true or always false";
    NEVER_FIRES = "KRS0902", "a rule that can never fire";
    SUBSUMED = "KRS0903", "a rule that another makes needless";
    UNUSED_ITEM = "KRS0904", "an item that nothing uses";
    SPARES_ALL = "KRS0905", "an `unless` that spares everything";
    KERNEL_ADDRESS = "KRS0906", "a kernel address in an event";
    RACY_PATH = "KRS0907", "a decision by a name that the caller wrote";
    DUPLICATE_ELEMENT = "KRS0930", "an element that a set has twice";
    LATE_DENY = "KRS0908", "a deny that comes too late";
    WILDCARD = "KRS0909", "a wildcard where characters are compared";
    OPEN_FLAGS = "KRS0910", "a file's flags compared as a whole";
    DECIMAL_MODE = "KRS0911", "a file mode in decimal digits";
    PATH_AS_NAME = "KRS0912", "a path where a name is compared";
    KIND_BITS = "KRS0913", "the kind of a file tested as a bit";
}

/// Names of the warnings, for the command line and `@allow`.
pub const WARNINGS: &[(Code, &str)] = &[
    (MISSING_ON_KERNEL, "missing-on-kernel"),
    (ALWAYS_TRUE, "always-true"),
    (NEVER_FIRES, "never-fires"),
    (SUBSUMED, "subsumed-rule"),
    (UNUSED_ITEM, "unused-item"),
    (SPARES_ALL, "spares-all"),
    (KERNEL_ADDRESS, "kernel-address"),
    (RACY_PATH, "racy-path"),
    (DUPLICATE_ELEMENT, "duplicate-element"),
    (LATE_DENY, "late-deny"),
    (WILDCARD, "wildcard"),
    (OPEN_FLAGS, "open-flags"),
    (DECIMAL_MODE, "decimal-mode"),
    (PATH_AS_NAME, "path-as-name"),
    (KIND_BITS, "kind-bits"),
];

/// Finds a warning by code or name: `KRS0904`, `krs904`, `unused-item`, `unused_item`.
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
