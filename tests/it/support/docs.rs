//! Reads the pages of the documentation as text: README.md and everything below docs/.

use std::path::Path;

/// A Markdown page. Its path is relative to the checkout.
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the page at `path`, or all pages below the folder at `path`, sorted by path.
pub(crate) fn pages(path: &str) -> Vec<Page> {
    let mut files = vec![root().join(path)];
    let mut pages = Vec::new();
    while let Some(file) = files.pop() {
        if file.is_dir() {
            let inside = std::fs::read_dir(&file).unwrap();
            files.extend(inside.map(|entry| entry.unwrap().path()));
        } else if file.extension().is_some_and(|extension| extension == "md") {
            pages.push(Page {
                path: shown(&file),
                text: std::fs::read_to_string(&file).unwrap(),
            });
        }
    }
    pages.sort_by(|one, other| one.path.cmp(&other.path));
    pages
}

fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().display().to_string()
}

/// Returns the text of each fenced code block in `language`.
pub(crate) fn blocks(text: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}\n");
    text.split(&open)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}
