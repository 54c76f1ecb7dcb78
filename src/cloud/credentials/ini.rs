//! The little INI that credentials files need. In: text. Out: the names and values of one section,
//! or the line that is wrong.

use std::collections::BTreeMap;

/// The values of `[wanted]`; none when the section is not there. Comments are whole lines that
/// begin with `#` or `;`. Problems name the line, never its text: it may be a secret.
pub(super) fn section<'a>(
    text: &'a str,
    wanted: &str,
) -> Result<BTreeMap<&'a str, &'a str>, String> {
    let mut values = BTreeMap::new();
    let mut inside = false;
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name
                .strip_suffix(']')
                .ok_or_else(|| format!("line {number}: a section has no ]"))?;
            inside = name.trim() == wanted;
            continue;
        }
        let (name, value) = line
            .split_once('=')
            .ok_or_else(|| format!("line {number}: there is no ="))?;
        if inside && values.insert(name.trim(), value.trim()).is_some() {
            return Err(format!("line {number}: the name stands twice"));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_section_is_read() {
        let text = "\u{feff}# comment\r\n[other]\nsecret_id = no\n\n[ default ]\n; more\nsecret_id=yes\nsecret_key = a=b \n";
        let values = section(text, "default").unwrap();
        assert_eq!(values.get("secret_id"), Some(&"yes"));
        assert_eq!(values.get("secret_key"), Some(&"a=b"));
        assert!(section(text, "absent").unwrap().is_empty());
    }

    #[test]
    fn a_problem_names_the_line_and_not_its_text() {
        for (text, problem) in [
            ("[default\nx=1", "line 1: a section has no ]"),
            ("[default]\nSECRET", "line 2: there is no ="),
            ("[default]\na=1\na=2", "line 3: the name stands twice"),
        ] {
            assert_eq!(section(text, "default").unwrap_err(), problem);
        }
    }
}
