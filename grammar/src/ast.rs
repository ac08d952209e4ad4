//! The abstract syntax tree, before names are resolved.
//!
//! `on file_mprotect when prot & EXEC deny` is one [`ItemKind::Rule`] whose `when` is an [`ExprKind::Binary`]
//! of two names.
//!
//! Invariants: every node has the [`Span`] of its text; a span lies within its file; children lie within their
//! parent's span, in source order. Large and rare variants are boxed, since a policy can have a hundred
//! thousand rules and a million expressions, and an enum is as large as its largest variant.
//!
//! Absent: kinds of names (a hook, an argument and a flag are all [`Ident`]s here; `hir` distinguishes them),
//! types of expressions, and the kernel.

/// Index of a source file in the caller's list of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FileId(pub u16);

/// The bytes `start..end` of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// The file of the offsets.
    pub file: FileId,
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The smallest span that covers both spans, which must be in one file.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A name as written in the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    /// The text of the name.
    pub name: String,
    /// Span of the name.
    pub span: Span,
}

/// A string literal. Its value is bytes, since `\xff` is a valid escape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Str {
    /// The bytes of the string, with escapes replaced.
    pub value: Vec<u8>,
    /// Span of the literal with its quotes.
    pub span: Span,
}

/// An integer literal. Size suffixes are multiplied in: `4KiB` has the value 4096.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Int {
    /// The value; the lexer rejects literals above `u64::MAX`.
    pub value: u64,
    /// Span of the literal.
    pub span: Span,
}

/// The tree of one source file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    /// The items, in source order.
    pub items: Vec<Item>,
    /// The comments of the file except doc comments, in source order, for the formatter.
    pub comments: Vec<Comment>,
    /// Names of items with syntax errors, so that uses of them are not reported as undefined.
    pub broken: Vec<String>,
}

/// A comment `# ...`, without the `#` and the line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Text after the `#`, as written.
    pub text: String,
    /// Span from the `#` to the end of the line.
    pub span: Span,
}

/// An item of a file or of a `where` block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The `##` lines before it, joined by `\n`, each without one space after `##`.
    pub doc: Option<String>,
    /// Span of the whole item without its docs.
    pub span: Span,
    /// The kind of item, with its contents.
    pub kind: ItemKind,
}

/// The kinds of items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// `use std.net` or `use "./company.krs"`
    Use(Box<Use>),
    /// `const ROOT = 0` or `const ROOT: u32 = 0`
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
    /// Text with a syntax error, which has been reported.
    Error,
}

/// A `use` item, by the kind of file that it includes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// A module, as the segments of `std.net`.
    Module(Vec<Ident>),
    /// A file by its path: `"./company.krs"`.
    File(Str),
}

/// A `const` item: `const NAME: TYPE = VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Const {
    /// The name of the constant.
    pub name: Ident,
    /// The type, if one is written.
    pub ty: Option<Box<Type>>,
    /// The value, a constant expression.
    pub value: Box<Expr>,
}

/// A `param` item: `param NAME: TYPE = DEFAULT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// The name of the parameter.
    pub name: Ident,
    /// The type of the parameter.
    pub ty: Type,
    /// The value if none is set at load time.
    pub default: Box<Expr>,
}

/// A `set` item: `set NAME: TYPE ...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// The name of the set.
    pub name: Ident,
    /// The type of the elements.
    pub ty: Type,
    /// The source of the elements.
    pub source: SetSource,
}

/// The source of a set's elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetSource {
    /// A list in the source: `= { ... }`.
    Elements(Vec<Expr>),
    /// A file, by its path: `from "file"`.
    File(Str),
    /// Elements set while the policy is loaded: `dynamic max N`.
    Dynamic {
        /// Maximum number of elements.
        max: Int,
    },
}

/// A type as written: `u32`, `Prot`, `vm_area_struct`, `(cidr, u16)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// Span of the type.
    pub span: Span,
    /// The kind of type.
    pub kind: TypeKind,
}

/// The kinds of types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// A single name: `u32`.
    Name(String),
    /// A tuple of at least two types.
    Tuple(Vec<Type>),
}

/// A `flags` or `enum` item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The name of the type.
    pub name: Ident,
    /// The underlying integer type, if one is written; `hir` chooses the default.
    pub repr: Option<Box<Type>>,
    /// The named values of the type.
    pub members: Vec<NamesMember>,
}

/// A named value of a `flags` or `enum` type: `READ = 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesMember {
    /// The `##` lines before it.
    pub doc: Option<String>,
    /// The name of the value.
    pub name: Ident,
    /// The value, a constant expression.
    pub value: Box<Expr>,
}

/// A `view` item: names for the fields of a struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The name of the struct.
    pub target: Ident,
    /// The fields of the view.
    pub fields: Vec<ViewField>,
}

/// A field of a view: `file = vm_file`, `prot: Prot = vm_flags` or `state = first_of(__state, state)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewField {
    /// The `##` lines before it.
    pub doc: Option<String>,
    /// The name that the view adds.
    pub name: Ident,
    /// A refinement of the type in BTF.
    pub ty: Option<Box<Type>>,
    /// The value, an expression on the struct's own fields.
    pub value: Box<Expr>,
}

/// A `hook` item: a description or an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// The name of the described hook, or of the alias.
    pub name: Ident,
    /// The description or the aliased hook.
    pub kind: HookKind,
}

/// The kinds of `hook` items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// A description of a hook: `(vma, reqprot: Prot)`.
    Describe {
        /// The parameters that are described.
        params: Vec<HookParam>,
        /// Values derived from the parameters: `{ path = full_path(dentry, dir.mnt) }`.
        values: Vec<ViewField>,
    },
    /// An alias of a hook: `= bprm_check_security`.
    Alias(Ident),
}

/// A described parameter of a hook: `file?`, `prot: Prot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookParam {
    /// The name of the argument in BTF.
    pub name: Ident,
    /// True if `?` follows the name: the kernel may pass null.
    pub nullable: bool,
    /// A refinement of the type in BTF.
    pub ty: Option<Box<Type>>,
}

/// A `def` item: a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Def {
    /// The name of the function.
    pub name: Ident,
    /// The parameters of the function.
    pub params: Vec<DefParam>,
    /// The result type, if one is written.
    pub ty: Option<Box<Type>>,
    /// The body of the function.
    pub body: Box<Expr>,
}

/// A parameter of a function: `vma: vm_area_struct`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefParam {
    /// The name of the parameter.
    pub name: Ident,
    /// The type of the parameter.
    pub ty: Type,
}

/// A `label` item: `label NAME on KIND`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The name of the label.
    pub name: Ident,
    /// The kind of object: `task`, `inode` or `socket`. The parser accepts any name.
    pub on: Ident,
    /// Span of `inherit`: new objects inherit the label.
    pub inherit: Option<Span>,
}

/// A `where` block: rules with a common condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Where {
    /// The condition, which is added to every rule inside.
    pub condition: Box<Expr>,
    /// The items in the block.
    pub items: Vec<Item>,
}

/// A rule, as `[attributes] [name:] on HOOKS [when ...] [unless ...] ACTIONS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Attributes such as `@severity(high)`.
    pub attributes: Vec<Attribute>,
    /// The name before `:`, if any.
    pub name: Option<Ident>,
    /// Span of the keyword `on`.
    pub on: Span,
    /// The hooks, at least one.
    pub hooks: Vec<Ident>,
    /// The condition after `when`.
    pub when: Option<Box<Expr>>,
    /// The condition after `unless`.
    pub unless: Option<Box<Expr>>,
    /// The actions; at least one unless an error was reported.
    pub actions: Vec<Action>,
}

/// An attribute of a rule: `@name` or `@name(args)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Span of the attribute, from `@`.
    pub span: Span,
    /// The name of the attribute.
    pub name: Ident,
    /// The arguments of the attribute.
    pub args: Vec<Expr>,
}

/// An action of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Span of the whole action.
    pub span: Span,
    /// The kind of action.
    pub kind: ActionKind,
}

/// The kinds of actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActionKind {
    /// Denial of the operation: `deny EACCES`.
    Deny {
        /// Name of the errno, as written.
        errno: Option<Ident>,
    },
    /// Recording of an event: `audit "msg" { fields } limit 5/s`.
    Audit(Box<Audit>),
    /// Signal to the current task: `kill SIGTERM`.
    Kill {
        /// Name of the signal, as written.
        signal: Option<Ident>,
    },
    /// Setting of a label: `mark tainted on task`.
    Mark {
        /// The name of the label.
        label: Ident,
        /// The object, if one is written.
        on: Option<Box<Expr>>,
    },
    /// Clearing of a label: `unmark tainted on task`.
    Unmark {
        /// The name of the label.
        label: Ident,
        /// The object, if one is written.
        on: Option<Box<Expr>>,
    },
}

/// An `audit` action: `audit "message" { fields } limit 5/s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The message, if one is written.
    pub message: Option<Str>,
    /// The fields of the event.
    pub fields: Vec<AuditField>,
    /// The rate limit, if one is written.
    pub limit: Option<Limit>,
}

/// A field of an event: `[name =] expr`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditField {
    /// The name, if one is written; otherwise the text of the expression is the name.
    pub name: Option<Ident>,
    /// The value of the field.
    pub value: Box<Expr>,
}

/// A rate limit of events: `limit 5/s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Span of the whole limit.
    pub span: Span,
    /// Number of events per period.
    pub count: Int,
    /// The period: `s`, `m` or `h`. The parser accepts any name.
    pub per: Ident,
}

/// A `test` item: an operation and the expected actions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// The name of the test.
    pub name: Str,
    /// The hook after `on`.
    pub hook: Ident,
    /// The given values: `with place = value, ...`.
    pub with: Vec<(Box<Expr>, Box<Expr>)>,
    /// The expectations: `allow`, or actions such as `deny EPERM, audit { vma.start }`.
    pub expect: Vec<Expect>,
}

/// An expectation of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The span of `allow`: the operation is allowed.
    Allow(Span),
    /// An action such as `deny` or `audit`.
    Action(Action),
}

/// An expression with its span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    /// Span of the expression, with its parentheses if it has any.
    pub span: Span,
    /// The kind of expression.
    pub kind: ExprKind,
}

/// The kinds of expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExprKind {
    /// A name: `prot`, `EXEC`, `task`.
    Name(String),
    /// An integer: `42`, `4KiB`.
    Int(u64),
    /// A duration in nanoseconds: `500ms`.
    Duration(u64),
    /// The bytes of a string: `"..."`.
    Str(Vec<u8>),
    /// A Boolean: `true`, `false`.
    Bool(bool),
    /// The null pointer, `null`.
    Null,
    /// A list, the right operand of `in` and similar operators: `{ 80, 443 }`.
    List(Vec<Expr>),
    /// A tuple of at least two expressions: `(a, b)`.
    Tuple(Vec<Expr>),
    /// A field access: `vma.file`.
    Field {
        /// The struct, `vma` in the example.
        base: Box<Expr>,
        /// The name of the field, `file` in the example.
        name: Ident,
    },
    /// An access to an element: `cap[0]`.
    Index {
        /// The array, `cap` in the example.
        base: Box<Expr>,
        /// The index, `0` in the example.
        index: Box<Expr>,
    },
    /// A call: `inode("/etc/shadow")`, `anonymous(vma)`.
    Call {
        /// The name of the function.
        function: Box<Ident>,
        /// The arguments of the call.
        args: Vec<Expr>,
    },
    /// A quantified condition: `any a in task.ancestors { a.comm == "sshd" }`.
    Any {
        /// True for `all`, false for `any`.
        every: bool,
        /// The bound name, `a` in the example.
        name: Box<Ident>,
        /// The sequence, `task.ancestors` in the example.
        of: Box<Expr>,
        /// The condition on each element.
        body: Box<Expr>,
    },
    /// A conversion: `x as u32`.
    Cast {
        /// The converted value, `x` in the example.
        value: Box<Expr>,
        /// The target type, `u32` in the example.
        ty: Box<Type>,
    },
    /// A unary operation: `-x`, `~x`, `not x`.
    Unary {
        /// The operator of the expression.
        op: UnaryOp,
        /// Span of the operator alone.
        op_span: Span,
        /// The operand of the expression.
        value: Box<Expr>,
    },
    /// A binary operation: `x + y`, `x in y`.
    Binary {
        /// The operator of the expression.
        op: BinaryOp,
        /// Span of the operator alone.
        op_span: Span,
        /// The operand on the left.
        left: Box<Expr>,
        /// The operand on the right.
        right: Box<Expr>,
    },
    /// Text with a syntax error, which has been reported.
    Error,
}

/// A unary operator, written before its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    /// Logical negation: `not x`.
    Not,
    /// Arithmetic negation, written `-x`.
    Neg,
    /// Bitwise complement, written `~x`.
    Complement,
}

/// A binary operator. `a not in b` and `a is not b` are `Not` of the positive form.
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
    /// The operator as written in krs.
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

    /// Returns true for comparisons, which cannot be chained and bind looser than all arithmetic operators.
    #[must_use]
    pub fn is_comparison(self) -> bool {
        use BinaryOp::*;
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge | In | Is | Like | Under | Has)
    }
}
