//! `krsic hooks`: lists hooks, or describes one.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Failure, print, target};
use crate::hir::suggest::did_you_mean;
use crate::kernel::{self, Kernel};
use crate::reference::{Acts, HookPage, Library, Reference, items, markdown, span_of};

/// Arguments of the `hooks` command.
#[derive(Args)]
pub(super) struct Hooks {
    /// Hook name or substring; lists every hook if omitted
    name: Option<String>,
    /// List only hooks that rules can use on this kernel (5.10, 6.1, 6.12, 6.18 or 7.2)
    #[arg(long, value_name = "KERNEL")]
    on: Vec<String>,
    /// List only hooks that can deny
    #[arg(long)]
    deny: bool,
    /// Include the kernel with these types (raw BTF, or ELF with .BTF)
    #[arg(long, value_name = "FILE")]
    btf: Option<PathBuf>,
    /// Format of the output
    #[arg(long, value_enum, default_value_t = HookFormat::Text, value_name = "FORMAT")]
    format: HookFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HookFormat {
    /// Plain text for people
    Text,
    /// One JSON object per hook and line
    Json,
    /// A Markdown page with every detail
    Markdown,
}

/// Prints the selected hooks, or describes the one with exactly that name.
pub(super) fn hooks(hooks: &Hooks) -> Result<u8, Failure> {
    for name in &hooks.on {
        if !kernel::NAMES.contains(&name.as_str()) {
            return Err(Failure::new(format!("unknown kernel `{name}`"))
                .help(format!("the known kernels are {}", kernel::NAMES.join(", "))));
        }
    }
    let library = Library::read();
    let items = items(&library);
    let kernel: Option<Kernel> = match &hooks.btf {
        Some(path) => target(Some(path))?,
        None => None,
    };
    let mut reference = Reference::new(&library, &items, kernel.as_ref());
    let selected = |page: &HookPage| {
        let usable = page.usable_on();
        (!hooks.deny || page.acts == Acts::Deny) && hooks.on.iter().all(|kernel| usable.contains(kernel))
    };
    let exact = hooks.name.as_deref().and_then(|name| reference.hook_called(name));
    let pages: Vec<HookPage> = match (exact, hooks.name.as_deref()) {
        (Some(name), _) => reference.hook(name).into_iter().collect(),
        (None, part) => {
            let part = part.unwrap_or("").to_ascii_lowercase();
            reference.all_hooks().into_iter().filter(|page| page.name.contains(&part) && selected(page)).collect()
        }
    };
    if pages.is_empty() {
        return Err(none(&reference, hooks));
    }
    let text = match hooks.format {
        HookFormat::Json => pages.iter().map(super::json_line).collect(),
        HookFormat::Markdown => markdown::page(&pages),
        HookFormat::Text if exact.is_some() => page(&pages[0]),
        HookFormat::Text => list(&pages, hooks.name.is_none()),
    };
    print(text.as_bytes())?;
    Ok(0)
}

fn none(reference: &Reference<'_>, hooks: &Hooks) -> Failure {
    let Some(name) = &hooks.name else {
        return Failure::new("no hook matches").help("`krsic hooks` lists all hooks");
    };
    let failure = Failure::new(format!("no hook name contains `{name}`"));
    let bare = ["bpf_lsm_", "security_", "lsm_"].iter().find_map(|prefix| name.strip_prefix(prefix));
    if let Some(bare) = bare.and_then(|bare| reference.hook_called(bare)) {
        return failure.help(format!("use the name without its prefix: `{bare}`"));
    }
    failure.help(match did_you_mean(name, reference.hook_names()) {
        Some(help) => help,
        None => "`krsic hooks` lists all hooks".to_owned(),
    })
}

fn list(pages: &[HookPage], whole: bool) -> String {
    let width = |of: &dyn Fn(&HookPage) -> usize| pages.iter().map(of).max().unwrap_or(0);
    let (name, on) = (width(&|page| page.name.len()), width(&|page| span_of(&page.usable_on()).len()).max(7));
    let mut out = format!("{:name$}  {:7}  {:on$}  WHEN\n", "HOOK", "CAN", "KERNELS");
    for page in pages {
        let line = format!(
            "{:name$}  {:7}  {:on$}  {}",
            page.name,
            page.acts.name(),
            span_of(&page.usable_on()),
            page.summary
        );
        out.push_str(line.trim_end());
        out.push('\n');
    }
    if whole {
        out.push_str(&format!("\n{}\n`krsic hooks NAME` describes one hook.\n", markdown::counts(pages)));
    }
    out
}

fn page(page: &HookPage) -> String {
    let mut out = format!("hook {}\n", markdown::wrap(&page.signature(), 4, ", "));
    if !page.doc.is_empty() {
        out.push('\n');
        super::indent(&mut out, &page.doc);
    } else {
        out.push_str("\n  Not described by the standard library: every pointer may be null.\n");
    }
    if page.parameters.iter().any(|parameter| parameter.unreadable.is_some() || !parameter.missing_on.is_empty()) {
        out.push_str("\narguments\n");
        let width = page.parameters.iter().map(|parameter| parameter.name.len()).max().unwrap_or(0);
        for parameter in &page.parameters {
            let mut notes = Vec::new();
            if !parameter.missing_on.is_empty() {
                notes.push(format!("not on {}", parameter.missing_on.join(", ")));
            }
            notes.extend(parameter.unreadable.as_ref().map(|why| format!("cannot be read: {why}")));
            if !notes.is_empty() {
                out.push_str(&format!("  {:width$}  {}\n", parameter.name, notes.join("; ")));
            }
        }
    }
    if !page.values.is_empty() {
        out.push_str("\nderived values\n");
        let width = page.values.iter().map(|value| value.name.len() + value.ty.len() + 2).max().unwrap_or(0);
        for value in &page.values {
            let shown = format!("{}: {}", value.name, value.ty);
            let more =
                if value.doc.is_empty() { value.expands_to.clone().unwrap_or_default() } else { value.doc.clone() };
            out.push_str(format!("  {shown:width$}  {more}").trim_end());
            out.push('\n');
        }
    }
    out.push_str("\nfacts\n");
    let acts = match page.acts {
        Acts::Deny => "deny (EPERM by default, or another errno that user space may see), audit, kill".to_owned(),
        Acts::Observe => "audit, kill; the hook has no result, so rules cannot deny".to_owned(),
        Acts::Answer => "audit; the hook returns a Boolean to the kernel, so rules cannot deny".to_owned(),
    };
    let acts = if page.task_unrelated.is_some() { acts.replace(", kill", "") } else { acts };
    let mut facts = vec![("actions", acts)];
    for kernel in page.kernels.iter().filter(|kernel| !kernel::NAMES.contains(&kernel.kernel.as_str())) {
        let state = kernel.why.clone().unwrap_or_else(|| "rules can use it".to_owned());
        facts.push(("given kernel", format!("{}: {state}", kernel.kernel)));
    }
    facts.push(("kernels", page.usable_on().join(", ")));
    let others = page.kernels.iter().filter_map(|kernel| Some((kernel, kernel.why.as_ref()?)));
    let others: Vec<String> = others
        .filter(|(kernel, _)| kernel::NAMES.contains(&kernel.kernel.as_str()))
        .map(|(kernel, why)| format!("{}: {why}", kernel.kernel))
        .collect();
    if !others.is_empty() {
        facts.push(("not on", others.join("; ")));
    }
    if page.acts == Acts::Deny {
        let order =
            "the newest runs first, and the first denial ends the hook: older policies do not see the operation";
        facts.push(("policies", order.to_owned()));
    }
    facts.push(("may sleep", if page.sleepable { "yes" } else { "no" }.to_owned()));
    if let Some(why) = &page.task_unrelated {
        facts.push(("task", format!("unrelated: {why}")));
    }
    if !page.aliases.is_empty() {
        facts.push(("also called", page.aliases.join(", ")));
    }
    if let Some(file) = &page.file {
        facts.push(("described in", format!("stdlib/{file}")));
    }
    for (what, text) in facts {
        out.push_str(&format!("  {what:12}  {text}\n"));
    }
    out
}
