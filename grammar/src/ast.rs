//! The syntax tree: what the text says, before any name means anything.
//!
//! `on file_mprotect when prot & EXEC deny` is one [`Item::Rule`] whose `when` is a
//! [`ExprKind::Binary`] of two names.
//!
//! Invariants: every node has the [`Span`] of the text it was read from; a span never leaves its
//! file; children lie within their parent's span, in source order. What is large and rare is boxed: a policy has a hundred
//! thousand rules and a million expressions, each as large as the largest that it could be.
//!
//! Absent: kinds of names (a hook, an argument and a flag all are [`Ident`]s here, `hir` tells
//! them apart), types of expressions, and every knowledge of the kernel.

/// Index of a source file in the list that the caller parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FileId(pub u16);

/// Bytes `start..end` of file `file`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// The file that the offsets count in.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The smallest span that covers both; they are of one file.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A name as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    /// The text.
    pub name: String,
    /// Where.
    pub span: Span,
}

/// A string literal; `value` has its escapes replaced. Bytes, since `\xff` may be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Str {
    /// The bytes that the literal stands for.
    pub value: Vec<u8>,
    /// Where, quotes included.
    pub span: Span,
}

/// An integer literal. Size suffixes are multiplied in: `4KiB` has value 4096.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Int {
    /// Value, at most `u64::MAX` (the lexer refuses more).
    pub value: u64,
    /// Where.
    pub span: Span,
}

/// One source file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// In source order.
    pub items: Vec<Item>,
    /// Every comment of the file that is no doc comment, in source order, for the formatter.
    pub comments: Vec<Comment>,
    /// Names of items that could not be read: what uses one of them is not wrong for that.
    pub broken: Vec<String>,
}

/// `# ...`, without the `#` and the line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Text after the `#`, as written.
    pub text: String,
    /// From `#` to the line's end.
    pub span: Span,
}

/// An item of a file, or of a `where` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The `##` lines before it, joined by `\n`, one space after `##` taken off.
    pub doc: Option<String>,
    /// The whole item without its docs.
    pub span: Span,
    /// What it is.
    pub kind: ItemKind,
}

/// What an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// `use std.net` or `use "./company.krs"`
    Use(Box<Use>),
    /// `const ROOT = 0`, `const ROOT: u32 = 0`
    Const(Box<Const>),
    /// `param min_uid: u32 = 1000`
    Param(Box<Param>),
    /// `set shells: path = { ... }`
    Set(Box<Set>),
    /// `flags Prot: u64 { NONE = 0 READ = 1 }`
    Flags(Box<Names>),
    /// `enum SaFamily: u16 { UNIX = 1 }`
    Enum(Box<Names>),
    /// `view vm_area_struct { file = vm_file }`
    View(Box<View>),
    /// `hook file_mprotect(vma, reqprot: Prot)` or `hook exec = bprm_check_security`
    Hook(Box<Hook>),
    /// `def anonymous(vma: vm_area_struct): bool = vma.file == null`
    Def(Box<Def>),
    /// `label tainted on task inherit`
    Label(Box<Label>),
    /// `where COND { items }`
    Where(Box<Where>),
    /// `[attrs] [name:] on ...`
    Rule(Box<Rule>),
    /// `test "..." { ... }`
    Test(Box<Test>),
    /// Text that could not be read; its error has been reported.
    Error,
}

/// `use`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// `std.net`: its segments
    Module(Vec<Ident>),
    /// `"./company.krs"`
    File(Str),
}

/// `const`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Const {
    /// The name it defines.
    pub name: Ident,
    /// Its type, where written.
    pub ty: Option<Box<Type>>,
    /// Its value.
    pub value: Box<Expr>,
}

/// `param`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// The name it defines.
    pub name: Ident,
    /// Its type.
    pub ty: Type,
    /// Its value where the load sets none.
    pub default: Box<Expr>,
}

/// `set`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The name it defines.
    pub name: Ident,
    /// The element type.
    pub ty: Type,
    /// Where its elements come from.
    pub source: SetSource,
}

/// Where a set's elements come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetSource {
    /// `= { ... }`
    Elements(Vec<Expr>),
    /// `from "file"`
    File(Str),
    /// `dynamic max N`
    Dynamic {
        /// The most elements.
        max: Int,
    },
}

/// A type as written: `u32`, `Prot`, `vm_area_struct`, `(cidr, u16)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// Where.
    pub span: Span,
    /// What.
    pub kind: TypeKind,
}

/// What a type is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// A single name.
    Name(String),
    /// At least two.
    Tuple(Vec<Type>),
}

/// `flags` and `enum`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The type's name.
    pub name: Ident,
    /// The integer type below, `u32` where none is written is decided by `hir`.
    pub repr: Option<Box<Type>>,
    /// Its names.
    pub members: Vec<NamesMember>,
}

/// `READ = 1`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesMember {
    /// `##` lines before it.
    pub doc: Option<String>,
    /// The name.
    pub name: Ident,
    /// The value, a constant expression.
    pub value: Box<Expr>,
}

/// `view`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The struct it is about.
    pub target: Ident,
    /// Its fields.
    pub fields: Vec<ViewField>,
}

/// `file = vm_file` or `state = first_of(__state, state)`, with an optional type: `prot: Prot = vm_flags`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewField {
    /// `##` lines before it.
    pub doc: Option<String>,
    /// The friendly name.
    pub name: Ident,
    /// A refinement of the type that BTF says.
    pub ty: Option<Box<Type>>,
    /// An expression in the struct's own fields.
    pub value: Box<Expr>,
}

/// `hook`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The name it describes or defines.
    pub name: Ident,
    /// Parameters or alias.
    pub kind: HookKind,
}

/// A description or an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// `(vma, reqprot: Prot)`
    Describe {
        /// Its parameters, as far as there is something to say of them.
        params: Vec<HookParam>,
        /// Names for what can be made of them: `{ path = full_path(dentry, dir.mnt) }`
        values: Vec<ViewField>,
    },
    /// `= bprm_check_security`
    Alias(Ident),
}

/// `file?`, `prot: Prot`: `?` says that the kernel may pass null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookParam {
    /// The argument's name as in BTF.
    pub name: Ident,
    /// `?` stands behind the name.
    pub nullable: bool,
    /// A refinement of the type that BTF says.
    pub ty: Option<Box<Type>>,
}

/// `def`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Def {
    /// The name it defines.
    pub name: Ident,
    /// Its parameters.
    pub params: Vec<DefParam>,
    /// Its result's type, where written.
    pub ty: Option<Box<Type>>,
    /// Its value.
    pub body: Box<Expr>,
}

/// `vma: vm_area_struct`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefParam {
    /// The name.
    pub name: Ident,
    /// Its type.
    pub ty: Type,
}

/// `label`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The name it defines.
    pub name: Ident,
    /// `task`, `inode` or `socket`: any name here.
    pub on: Ident,
    /// Over fork and exec.
    pub inherit: Option<Span>,
}

/// `where`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Where {
    /// Added to every rule inside.
    pub condition: Box<Expr>,
    /// What is inside.
    pub items: Vec<Item>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `@severity(high)`
    pub attributes: Vec<Attribute>,
    /// `name:`
    pub name: Option<Ident>,
    /// The word `on`.
    pub on: Span,
    /// At least one.
    pub hooks: Vec<Ident>,
    /// `when`
    pub when: Option<Box<Expr>>,
    /// `unless`
    pub unless: Option<Box<Expr>>,
    /// At least one unless an error was reported.
    pub actions: Vec<Action>,
}

/// `@name` or `@name(args)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// From `@`.
    pub span: Span,
    /// Its name.
    pub name: Ident,
    /// Its arguments.
    pub args: Vec<Expr>,
}

/// What a firing rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The whole action.
    pub span: Span,
    /// What.
    pub kind: ActionKind,
}

/// What an action is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// `deny EACCES`
    Deny {
        /// Its name, as written.
        errno: Option<Ident>,
    },
    /// `audit "msg" { fields } limit 5/s`
    Audit(Box<Audit>),
    /// `kill SIGTERM`
    Kill {
        /// Its name, as written.
        signal: Option<Ident>,
    },
    /// `mark tainted on task`
    Mark {
        /// The label.
        label: Ident,
        /// The object, where written.
        on: Option<Box<Expr>>,
    },
    /// `unmark tainted on task`
    Unmark {
        /// The label.
        label: Ident,
        /// The object, where written.
        on: Option<Box<Expr>>,
    },
}

/// `audit`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The message.
    pub message: Option<Str>,
    /// The fields.
    pub fields: Vec<AuditField>,
    /// The rate limit.
    pub limit: Option<Limit>,
}

/// `[name =] expr`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditField {
    /// The name, where written; otherwise the expression's text is the name.
    pub name: Option<Ident>,
    /// The value.
    pub value: Box<Expr>,
}

/// `limit 5/s`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The whole.
    pub span: Span,
    /// How many.
    pub count: Int,
    /// `s`, `m` or `h`: any name here.
    pub per: Ident,
}

/// `test`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// What it shows.
    pub name: Str,
    /// `on`
    pub hook: Ident,
    /// `with place = value, ...`
    pub with: Vec<(Box<Expr>, Box<Expr>)>,
    /// `expect allow` is `Allow`; `expect deny EPERM, audit { vma.start }` the actions.
    pub expect: Vec<Expect>,
}

/// What a test expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// `allow`
    Allow(Span),
    /// `deny`, `audit` or another action
    Action(Action),
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    /// Where; of a parenthesised one, the parentheses too.
    pub span: Span,
    /// What.
    pub kind: ExprKind,
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprKind {
    /// A name: `prot`, `EXEC`, `task`
    Name(String),
    /// `42`, `4KiB`
    Int(u64),
    /// `500ms`: nanoseconds
    Duration(u64),
    /// `"..."`
    Str(Vec<u8>),
    /// `true`, `false`
    Bool(bool),
    /// `null`
    Null,
    /// `{ 80, 443 }`, only to the right of `in`
    List(Vec<Expr>),
    /// `(a, b)`: at least two
    Tuple(Vec<Expr>),
    /// `vma.file`
    Field {
        /// `vma`
        base: Box<Expr>,
        /// `file`
        name: Ident,
    },
    /// `cap[0]`
    Index {
        /// `cap`
        base: Box<Expr>,
        /// `0`
        index: Box<Expr>,
    },
    /// `inode("/etc/shadow")`, `anonymous(vma)`
    Call {
        /// The name called.
        function: Box<Ident>,
        /// Its arguments.
        args: Vec<Expr>,
    },
    /// `any a in task.ancestors { a.comm == "sshd" }`
    Any {
        /// `all`
        every: bool,
        /// `a`
        name: Box<Ident>,
        /// `task.ancestors`
        of: Box<Expr>,
        /// What is asked of each.
        body: Box<Expr>,
    },
    /// `x as u32`
    Cast {
        /// `x`
        value: Box<Expr>,
        /// `u32`
        ty: Box<Type>,
    },
    /// `-x`, `~x`, `not x`
    Unary {
        /// Which.
        op: UnaryOp,
        /// The operator's own place.
        op_span: Span,
        /// `x`
        value: Box<Expr>,
    },
    /// Every operator with two sides.
    Binary {
        /// Which.
        op: BinaryOp,
        /// The operator's own place.
        op_span: Span,
        /// Left.
        left: Box<Expr>,
        /// Right.
        right: Box<Expr>,
    },
    /// Text that could not be read; its error has been reported.
    Error,
}

/// An operator with one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// `not`
    Not,
    /// `-`
    Neg,
    /// `~`
    Complement,
}

/// An operator with two sides. `a not in b` and `a is not b` are `Not` of the positive form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "`text` says what each is")]
pub enum BinaryOp {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Is,
    Like,
    Under,
    Has,
    BitOr,
    BitXor,
    BitAnd,
    Shl,
    Shr,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

impl BinaryOp {
    /// As written in krs.
    #[must_use]
    pub fn text(self) -> &'static str {
        use BinaryOp::*;
        match self {
            Or => "or",
            And => "and",
            Eq => "==",
            Ne => "!=",
            Lt => "<",
            Le => "<=",
            Gt => ">",
            Ge => ">=",
            In => "in",
            Is => "is",
            Like => "like",
            Under => "under",
            Has => "has",
            BitOr => "|",
            BitXor => "^",
            BitAnd => "&",
            Shl => "<<",
            Shr => ">>",
            Add => "+",
            Sub => "-",
            Mul => "*",
            Div => "/",
            Rem => "%",
        }
    }

    /// Comparisons are not chainable and bind looser than every arithmetic operator.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge | In | Is | Like | Under | Has)
    }
}
