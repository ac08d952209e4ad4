//! Socket endpoints: `dst.ip`, `src.port`, `dst.family`; `dst.path` and `dst.abstract` of the family `AF_UNIX`.
//!
//! The library derives them from the arguments of hooks: `peer(sk)` and `local(sk)` from a `sock`,
//! `bind_end(address, length)` and `connect_end(address, length, sk)` from an address that a task passed, and
//! `message_end(msg, sk)` from a message.

use krs_grammar::ast::{self, Expr, Span};

use super::{Checker, Operand};
use crate::diag::{Diagnostic, code};
use crate::hir::place::{self, Place, Reads};
use crate::hir::suggest::did_you_mean;
use crate::hir::{Endpoint, EndpointField, Int, Shape, Step, TextSource, Ty, UnixName, Value, ValueKind};

/// Names of the properties of an endpoint.
pub(in crate::hir) const ENDPOINT_FIELDS: [&str; 5] = ["ip", "port", "family", "path", "abstract"];

impl<'a> Checker<'a> {
    pub(in crate::hir) fn endpoint(&mut self, function: &'a ast::Ident, args: &'a [Expr], span: Span) -> Operand {
        let name = function.name.as_str();
        let wanted = match name {
            "peer" | "local" => 1,
            "connect_end" => 3,
            _ => 2,
        };
        if args.len() != wanted {
            return self.report(Diagnostic::error(
                code::WRONG_ARGUMENT_COUNT,
                span,
                format!("`{name}` takes {wanted} argument{}, not {}", if wanted == 1 { "" } else { "s" }, args.len()),
            ));
        }
        let end = match name {
            "peer" => self.pointer_to(&args[0], "sock").map(Endpoint::Peer),
            "local" => self.pointer_to(&args[0], "sock").map(Endpoint::Local),
            "message_end" => self.message(&args[0], &args[1]),
            _ => self.pointer_to(&args[0], "sockaddr").and_then(|address| {
                let length = self.length(&args[1])?;
                match args.get(2) {
                    Some(socket) => {
                        let socket = self.pointer_to(socket, "sock")?;
                        Some(Endpoint::Connected { address, length, socket })
                    }
                    None => Some(Endpoint::Bound { address, length }),
                }
            }),
        };
        match end {
            Some(end) => Operand::Endpoint(Box::new(end)),
            None => Operand::Error,
        }
    }

    fn length(&mut self, expr: &'a Expr) -> Option<Value> {
        match self.expr(expr, None) {
            Operand::Value(value) if matches!(value.ty, Ty::Int(_)) => Some(value),
            Operand::Error => None,
            other => {
                let what = self.describe_operand(&other);
                self.report(
                    Diagnostic::error(code::TYPE_MISMATCH, expr.span, "expected an integer length").label(what),
                );
                None
            }
        }
    }

    fn message(&mut self, message: &'a Expr, socket: &'a Expr) -> Option<Endpoint> {
        let message = self.pointer_to(message, "msghdr");
        let socket = self.pointer_to(socket, "sock")?;
        let message = message?;
        let Ty::Ptr(pointer) = message.ty else { return None };
        let place = Place::behind(&self.kernel.btf, &message, pointer.target)?;
        let address = self.member_of(&place, "msg_name", Shape::Pointer)?;
        let length = self.member_of(&place, "msg_namelen", Shape::Int { bytes: 4, signed: true })?;
        let flags = self.member_of(&place, "msg_flags", Shape::Int { bytes: 4, signed: false })?;
        Some(Endpoint::Message { address, length, flags, socket })
    }

    fn member_of(&mut self, place: &Place, name: &str, shape: Shape) -> Option<Value> {
        let btf = &self.kernel.btf;
        let field = place::field(btf, btf.strip(place.ty), name)?;
        let part = place.step(Step::Field { name: name.to_owned(), shape }, field.ty, place.span);
        match self.reads(field.ty, true) {
            Reads::As(ty) => Some(self.load(part, ty)),
            _ => None,
        }
    }

    pub(in crate::hir) fn endpoint_field(&mut self, end: Endpoint, name: &ast::Ident, span: Span) -> Operand {
        let (field, ty) = match name.name.as_str() {
            "ip" => (EndpointField::Ip, Ty::Ip),
            "port" => (EndpointField::Port, Ty::Int(Int::plain(2, false))),
            "family" => (EndpointField::Family, Ty::Int(Int { names: self.names_of("Af"), ..Int::plain(2, false) })),
            "path" => return unix(end, UnixName::Path, span),
            "abstract" => return unix(end, UnixName::Abstract, span),
            other => {
                let error =
                    Diagnostic::error(code::UNKNOWN_FIELD, name.span, format!("no field `{other}` in an endpoint"))
                        .label("not found");
                return self.report(match did_you_mean(other, ENDPOINT_FIELDS) {
                    Some(help) => error.help(help),
                    None => error.help("it has `ip`, `port` and `family`; Unix sockets have `path` or `abstract`"),
                });
            }
        };
        Operand::Value(Value { span, ty, kind: ValueKind::Endpoint(Box::new(end), field) })
    }
}

fn unix(end: Endpoint, name: UnixName, span: Span) -> Operand {
    let ty = Ty::Text { path: name == UnixName::Path };
    Operand::Value(Value { span, ty, kind: ValueKind::Text(Box::new(TextSource::Unix { end: Box::new(end), name })) })
}
