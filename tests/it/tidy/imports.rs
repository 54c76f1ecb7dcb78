//! Finds which file imports which. Follows every path of a package through `use` declarations and
//! re-exports to the file that defines the item.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::source::{Code, identifier, is_name, rust_files};

/// The maximum number of re-exports through which a path is followed.
const MAX_STEPS: usize = 8;

/// A module's path, such as `["cloud", "actions", "paging"]`. It is empty for a package's root.
pub(super) type Module = Vec<String>;
/// For each module the modules that it imports, and the path that it uses for each.
type Imports = BTreeMap<Module, BTreeMap<Module, String>>;

/// A file whose code is not only for tests.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) code: Code,
    uses: Vec<Import>,
    /// The code without its `use` declarations.
    body: String,
}

/// One name of a `use` declaration. The name of a glob import is `*`.
struct Import {
    name: String,
    path: Vec<String>,
    is_public: bool,
}

pub(super) struct Package {
    pub(super) sources: BTreeMap<Module, Source>,
}

impl Package {
    /// Reads the package whose root file is in the folder `src`.
    pub(super) fn read(src: &Path) -> Self {
        Self::of(rust_files(src).into_iter().map(|path| {
            let module = module_of(path.strip_prefix(src).unwrap());
            let text = fs::read_to_string(&path).unwrap();
            (module, path, text)
        }))
    }

    fn of(files: impl Iterator<Item = (Module, PathBuf, String)>) -> Self {
        let mut sources = BTreeMap::new();
        let mut tests: BTreeSet<Module> = BTreeSet::new();
        for (module, path, text) in files {
            let code = Code::of(&text);
            for name in &code.test_modules {
                tests.insert([module.as_slice(), std::slice::from_ref(name)].concat());
            }
            if module.last().is_some_and(|name| name.ends_with("_tests")) {
                tests.insert(module.clone());
            }
            let (uses, body) = imports_of(&code.text);
            let source = Source {
                path,
                code,
                uses,
                body,
            };
            // Leave out `main.rs`: it imports the library as another package would.
            if module != ["main"] {
                sources.insert(module, source);
            }
        }
        sources.retain(|module, _| (1..=module.len()).all(|part| !tests.contains(&module[..part])));
        Self { sources }
    }

    /// The paths in the file of `module`, written from the package's root.
    pub(super) fn paths(&self, module: &[String]) -> Vec<Vec<String>> {
        let source = &self.sources[module];
        let imported = source.uses.iter().map(|import| import.path.clone());
        imported
            .chain(paths_in(&source.body))
            .filter_map(|path| absolute(module, &path))
            .collect()
    }

    /// Returns the modules that define what the file of `module` imports, and the path to each
    /// module.
    fn imports(&self, module: &[String]) -> BTreeMap<Module, String> {
        let source = &self.sources[module];
        let used = source.uses.iter().filter(|import| {
            // A name that the file only re-exports is no import.
            !import.is_public || find_word(&source.body, &import.name).is_some()
        });
        let mut found: BTreeMap<Module, String> = used
            .map(|import| (import.path.clone(), import.name == "*"))
            .chain(paths_in(&source.body).map(|path| (path, false)))
            .filter_map(|(path, is_everything)| {
                let (target, is_item) = self.resolve(module, &path, MAX_STEPS)?;
                // A path that ends at a module does not count as an import. Paths to the module's
                // items do.
                (is_item || is_everything).then(|| (target, path.join("::")))
            })
            .collect();
        found.remove(module);
        found
    }

    /// Returns the modules that import themselves through other modules, and for each of them the
    /// imports that lead back to it.
    pub(super) fn cycles(&self) -> BTreeMap<Module, Vec<String>> {
        let modules = self.sources.keys();
        let imports: Imports = modules
            .map(|module| (module.clone(), self.imports(module)))
            .collect();
        let mut cycles: BTreeMap<Module, Vec<String>> = BTreeMap::new();
        for (module, targets) in &imports {
            for (target, path) in targets {
                if reachable(&imports, target).contains(module) {
                    let import = format!("{path} ({})", target.join("::"));
                    cycles.entry(module.clone()).or_default().push(import);
                }
            }
        }
        cycles
    }

    /// Finds the module to which a path in the module `from` leads. The `bool` says whether the
    /// path ends at an item of that module.
    fn resolve(&self, from: &[String], path: &[String], steps: usize) -> Option<(Module, bool)> {
        let steps = steps.checked_sub(1)?;
        let (mut module, rest, is_relative) = match absolute(from, path) {
            Some(path) => (Vec::new(), path, false),
            None => (from.to_vec(), path.to_vec(), true),
        };
        for (at, name) in rest.iter().enumerate() {
            let child = [module.as_slice(), std::slice::from_ref(name)].concat();
            if self.sources.contains_key(&child) {
                module = child;
                continue;
            }
            let source = self.sources.get(&module)?;
            let imported = source.uses.iter().find(|import| import.name == *name);
            let everything = || {
                source.uses.iter().find(|import| {
                    import.name == "*"
                        && self
                            .resolve(&module, &import.path, steps)
                            .is_some_and(|(target, _)| self.defines(&target, name))
                })
            };
            let Some(import) = imported.or_else(everything) else {
                // The path starts with the name of another package, or with an item of this file.
                let is_foreign = at == 0 && is_relative;
                return (!is_foreign).then_some((module, true));
            };
            let (target, is_item) = self.resolve(&module, &import.path, steps)?;
            if is_item || import.name == "*" {
                return Some((target, true));
            }
            module = target;
        }
        Some((module, false))
    }

    fn defines(&self, module: &[String], name: &str) -> bool {
        let kinds = ["struct", "enum", "fn", "type", "const", "static", "trait"];
        let body = self.sources.get(module).map(|source| source.body.as_str());
        kinds
            .iter()
            .any(|kind| body.is_some_and(|body| body.contains(&format!("{kind} {name}"))))
    }
}

fn reachable<'a>(imports: &'a Imports, from: &'a Module) -> BTreeSet<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        next.extend(imports[module].keys().filter(|target| seen.insert(*target)));
    }
    seen
}

fn module_of(file: &Path) -> Module {
    let names = file.with_extension("");
    names
        .iter()
        .map(|name| name.to_str().unwrap().to_owned())
        .filter(|name| name != "mod" && name != "lib")
        .collect()
}

/// Rewrites a path that starts with `crate`, `self` or `super` as a path from the package's root.
/// Returns `None` for other paths.
fn absolute(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut base = match path.first()?.as_str() {
        "crate" => return Some(path[1..].to_vec()),
        "self" | "super" => module.to_vec(),
        _ => return None,
    };
    let mut rest = path;
    while let Some((first, others)) = rest.split_first() {
        match first.as_str() {
            "self" => {}
            "super" => drop(base.pop()),
            _ => break,
        }
        rest = others;
    }
    Some([base.as_slice(), rest].concat())
}

/// Returns the `use` declarations in `code`, and `code` without them.
fn imports_of(code: &str) -> (Vec<Import>, String) {
    let mut uses = Vec::new();
    let mut body = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = find_word(rest, "use ") {
        let (before, declaration) = rest.split_at(at);
        let (tree, after) = declaration[4..].split_once(';').unwrap();
        let visibility = before.trim_end();
        let is_public = visibility.ends_with("pub") || visibility.ends_with(')');
        expand(tree, &[], is_public, &mut uses);
        body.push_str(before);
        rest = after;
    }
    body.push_str(rest);
    (uses, body)
}

/// Adds an [`Import`] for each name of a `use` tree such as `a::{b, c::d as e}`.
fn expand(tree: &str, prefix: &[String], is_public: bool, uses: &mut Vec<Import>) {
    let tree = tree.trim();
    if let Some((head, inner)) = tree.split_once('{') {
        let names = head.split("::").map(|name| name.trim().to_owned());
        let prefix: Vec<String> = prefix
            .iter()
            .cloned()
            .chain(names.filter(|name| !name.is_empty()))
            .collect();
        let mut depth = 0_usize;
        let branches = inner[..inner.rfind('}').unwrap()].split(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            c == ',' && depth == 0
        });
        for branch in branches.filter(|branch| !branch.trim().is_empty()) {
            expand(branch, &prefix, is_public, uses);
        }
        return;
    }
    let (path, alias) = match tree.split_once(" as ") {
        Some((path, alias)) => (path.trim(), Some(alias.trim())),
        None => (tree, None),
    };
    let mut path: Vec<String> = prefix
        .iter()
        .cloned()
        .chain(path.split("::").map(|name| name.trim().to_owned()))
        .collect();
    let is_everything = path.last().is_some_and(|name| name == "*");
    if is_everything || path.len() > 1 && path.last().is_some_and(|name| name == "self") {
        path.pop();
    }
    let name = match alias {
        Some(alias) => alias.to_owned(),
        None if is_everything => "*".to_owned(),
        None => path.last().unwrap().clone(),
    };
    uses.push(Import {
        name,
        path,
        is_public,
    });
}

/// Every path `a::b::c` in the code, except in visibilities such as `pub(in crate::a)`.
fn paths_in(body: &str) -> impl Iterator<Item = Vec<String>> {
    let bytes = body.as_bytes();
    body.match_indices("::").filter_map(move |(at, _)| {
        let start = bytes[..at].iter().rposition(|byte| !is_name(*byte));
        let start = start.map_or(0, |before| before + 1);
        let is_continued = start >= 2 && &body[start - 2..start] == "::";
        if start == at || is_continued || body[..start].ends_with("(in ") {
            return None;
        }
        let mut path = vec![body[start..at].to_owned()];
        let mut rest = &body[at..];
        while let Some(after) = rest.strip_prefix("::") {
            let name = identifier(after);
            if name.is_empty() {
                break;
            }
            path.push(name.to_owned());
            rest = &after[name.len()..];
        }
        Some(path)
    })
}

fn find_word(text: &str, word: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let ends = |at: usize| bytes.get(at).is_none_or(|byte| !is_name(*byte));
    text.match_indices(word)
        .map(|(at, _)| at)
        .find(|at| (*at == 0 || ends(at - 1)) && (word.ends_with(' ') || ends(at + word.len())))
}

/// Returns the cycles of a package in which `shelf/mod.rs` re-exports an item of `thing`, and
/// `user` imports that re-export.
fn example(thing: &str) -> Vec<String> {
    let user = "use crate::shelf::{self, Thing as Named};\npub struct User(Named);";
    let files = [
        ("lib", "mod shelf; mod user;"),
        ("shelf", "mod thing;\npub(crate) use thing::Thing;"),
        ("shelf/thing", thing),
        ("user", user),
    ];
    let files = files.map(|(path, text)| (module_of(Path::new(path)), PathBuf::new(), text.into()));
    let cycles = Package::of(files.into_iter()).cycles();
    cycles.keys().map(|module| module.join("::")).collect()
}

#[test]
fn a_cycle_is_found_through_re_exports() {
    for cycle in [
        "use crate::user::User;\npub struct Thing(User);",
        "use super::super::{user::{User}};\npub struct Thing(User);",
        "use crate::user;\npub struct Thing(user::User);",
        "pub struct Thing(crate::user::User);",
        "#[cfg(test)]\nuse std::fmt;\npub struct Thing(crate::user::User);",
        "const BRACE: char = '{';\npub struct Thing(crate::user::User);",
    ] {
        assert_eq!(example(cycle), ["shelf::thing", "user"], "{cycle}");
    }
}

#[test]
fn tests_comments_and_literals_import_nothing() {
    for straight in [
        "use std::user::User;\npub struct Thing(User);",
        "pub struct Thing; // crate::user::User",
        "/// See [`crate::user::User`].\npub struct Thing;",
        "pub struct Thing; const NAME: &str = \"crate::user::User\";",
        "pub struct Thing; const NAME: &str = r#\"\"crate::user::User\"#;",
        "pub struct Thing;\n#[cfg(test)]\nmod tests {\n    use crate::user::User;\n}",
    ] {
        assert_eq!(example(straight), [] as [&str; 0], "{straight}");
    }
}
