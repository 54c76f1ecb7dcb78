//! The normalised name of a requester or an approver. Two names count as the same person if and
//! only if their normalised forms are equal.
//!
//! Normalisation trims the text, composes it (Unicode NFC), and writes an address in lower case
//! with its domain in ASCII (IDNA). A text that could make one person look like two is refused: for
//! example, a text with invisible characters, look-alikes, a display name or a trailing dot. All
//! other differences remain: `a.b`, `ab` and `ab+x` are three people. `Bob` and `bob` are two
//! people, because only addresses are written in lower case.

use std::str::FromStr;

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::props::Script;
use icu_properties::script::ScriptWithExtensions;

use super::problem::{Problem, shown};
use super::visible::is_invisible;

const MAX_CHARS: usize = 256;

/// A person's name within one source, normalised.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonName(String);

impl PersonName {
    /// Returns the normalised name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name if it is an address whose domain has a dot.
    pub fn address(&self) -> Option<&str> {
        let (_, domain) = self.0.split_once('@')?;
        domain.contains('.').then_some(self.as_str())
    }
}

impl FromStr for PersonName {
    type Err = Problem;

    /// Normalises a name. Refuses a text that is not a name, or that a reader could mistake for
    /// another name. The problem's field is `person`.
    fn from_str(text: &str) -> Result<Self, Problem> {
        if let Some(c) = text.chars().find(|c| is_invisible(*c)) {
            return refuse(
                format!(
                    "contains U+{:04X}, a control character or an invisible one",
                    u32::from(c)
                ),
                "remove it",
            );
        }
        let name = ComposingNormalizerBorrowed::new_nfc().normalize(text.trim());
        if name.is_empty() {
            return refuse("is empty", "write the person's user id or address");
        }
        if name.chars().count() > MAX_CHARS {
            return refuse(
                format!("is longer than {MAX_CHARS} characters"),
                "write the person's user id or address",
            );
        }
        check_characters(&name)?;
        check_form(&name)?;
        match name.split_once('@') {
            Some((local, domain)) => address(local, domain).map(Self),
            None => {
                check_words(&name)?;
                Ok(Self(name.into_owned()))
            }
        }
    }
}

fn refuse<T>(problem: impl Into<String>, remedy: &str) -> Result<T, Problem> {
    Err(Problem::new("person", problem, remedy))
}

/// Refuses blanks other than single spaces, and characters that are variants of ASCII characters,
/// such as `ａ`, `ⓐ` and `ﬁ`.
fn check_characters(name: &str) -> Result<(), Problem> {
    let odd_blank = name.chars().any(|c| c.is_whitespace() && c != ' ');
    if odd_blank || name.contains("  ") {
        return refuse(
            "contains blanks other than single spaces",
            "write single spaces",
        );
    }
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    for c in name.chars().filter(|c| !c.is_ascii()) {
        let plain = nfkc.normalize_iter(std::iter::once(c)).collect::<String>();
        let mut letters = plain.chars();
        if letters.all(|c| c.is_ascii_alphanumeric() || "@._-+".contains(c)) {
            return refuse(
                format!(
                    "contains U+{:04X}, which looks like {plain:?}",
                    u32::from(c)
                ),
                "write the plain character",
            );
        }
    }
    Ok(())
}

/// Refuses display names, URIs and encoded addresses.
fn check_form(name: &str) -> Result<(), Problem> {
    const BARE: &str = "write the bare user id or address, as in \"alice@example.com\"";
    let lower = name.to_ascii_lowercase();
    let uri = ["mailto:", "smtp:", "sip:", "acct:", "xmpp:"]
        .iter()
        .find(|scheme| lower.starts_with(**scheme));
    if let Some(scheme) = uri {
        return refuse(format!("begins with {scheme}"), BARE);
    }
    if lower.contains("://") {
        return refuse("is a URL", BARE);
    }
    if name.contains(['<', '>', '"']) {
        return refuse("has a display name or quotes", BARE);
    }
    if ["%40", "&#64;", "&#x40;", "&commat;"]
        .iter()
        .any(|at| lower.contains(at))
    {
        return refuse("contains an encoded @", BARE);
    }
    Ok(())
}

fn address(local: &str, domain: &str) -> Result<String, Problem> {
    const ADDRESS: &str = "write one address, as in \"alice@example.com\"";
    const SYMBOLS: &str = "!#$%&'*+-/=?^_`{|}~.";
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || SYMBOLS.contains(c) || (!c.is_ascii() && !c.is_whitespace())
    };
    if local.is_empty() || !local.chars().all(plain) {
        return refuse(
            format!("{} is not valid before the @ of an address", shown(local)),
            ADDRESS,
        );
    }
    if local.split('.').any(str::is_empty) {
        return refuse("has a misplaced dot before the @", ADDRESS);
    }
    let Ok(domain_in_ascii) = idna::domain_to_ascii(domain) else {
        return refuse(format!("{} is not a domain", shown(domain)), ADDRESS);
    };
    let label = |label: &str| {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !label.is_empty() && label.bytes().all(word)
    };
    if !domain_in_ascii.split('.').all(label) {
        return refuse(format!("{} is not a domain", shown(domain)), ADDRESS);
    }
    let (domain_in_unicode, _) = idna::domain_to_unicode(&domain_in_ascii);
    if !is_single_script(local.chars().chain(domain_in_unicode.chars())) {
        return refuse(
            "mixes letters of several scripts in one address",
            "write the address in one script, or the person's user id",
        );
    }
    Ok(format!("{}@{domain_in_ascii}", local.to_lowercase()))
}

/// Refuses a name if one of its words mixes scripts, such as `аlice` with a Cyrillic `а`. Chinese,
/// Japanese and Korean letters may occur next to letters of one other script, because ordinary
/// names mix them.
fn check_words(name: &str) -> Result<(), Problem> {
    if name
        .split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric())
        .any(mixes_scripts)
    {
        return refuse(
            "mixes letters of several scripts in one word",
            "write the word in one script, or the person's user id",
        );
    }
    Ok(())
}

/// Whether a text mixes letters of several scripts. Chinese, Japanese and Korean letters are
/// ignored, so they may occur next to letters of one other script.
pub fn mixes_scripts(text: &str) -> bool {
    let scripts = ScriptWithExtensions::new();
    let other = |c: &char| !EAST_ASIAN.contains(&scripts.get_script_val(*c));
    !is_single_script(text.chars().filter(other))
}

/// Scripts that Chinese, Japanese and Korean texts mix (UTS 39, section 5.1: Hanb, Jpan, Kore).
const EAST_ASIAN: [Script; 5] = [
    Script::Han,
    Script::Hiragana,
    Script::Katakana,
    Script::Bopomofo,
    Script::Hangul,
];

/// Whether all characters belong to one script. Ignores characters that several scripts use, such
/// as digits and accents. The scripts in `EAST_ASIAN` count as one.
fn is_single_script(text: impl Iterator<Item = char>) -> bool {
    let scripts = ScriptWithExtensions::new();
    let mut possible: Option<Vec<Script>> = None;
    for c in text {
        let mut of_this: Vec<Script> = scripts.get_script_extensions_val(c).iter().collect();
        if of_this.contains(&Script::Common) || of_this.contains(&Script::Inherited) {
            continue;
        }
        if of_this.iter().any(|script| EAST_ASIAN.contains(script)) {
            of_this = EAST_ASIAN.to_vec();
        }
        possible = Some(match possible {
            None => of_this,
            Some(before) => before
                .into_iter()
                .filter(|script| of_this.contains(script))
                .collect(),
        });
    }
    possible.is_none_or(|scripts| !scripts.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whom a text must name: the same person as the base name, or another. Or the text must be
    /// refused, with a problem that contains the given words.
    #[derive(Debug, PartialEq, Eq)]
    enum Fate {
        Same,
        Other,
        Refused(&'static str),
    }
    use Fate::{Other, Refused, Same};

    fn check(base: &str, table: &[(&str, Fate)]) {
        let base: PersonName = base.parse().unwrap();
        for (text, wanted) in table {
            match (text.parse::<PersonName>(), wanted) {
                (Ok(name), Same) => assert_eq!(name, base, "{text:?}"),
                (Ok(name), Other) => assert_ne!(name, base, "{text:?}"),
                (Err(problem), Refused(reason)) => {
                    assert!(problem.problem.contains(reason), "{text:?}: {problem}");
                }
                (outcome, wanted) => panic!("{text:?}: {outcome:?}, not {wanted:?}"),
            }
        }
    }

    #[test]
    fn sixty_spellings_of_one_address_are_recognised_or_refused() {
        let table = [
            ("alice@example.com", Same),
            ("Alice@example.com", Same),
            ("ALICE@EXAMPLE.COM", Same),
            ("alice@Example.Com", Same),
            (" alice@example.com", Same),
            ("alice@example.com   ", Same),
            ("\u{a0}alice@example.com\u{3000}", Same),
            // IDNA treats the full stops of other scripts as dots.
            ("alice@example\u{3002}com", Same),
            ("alice@example\u{ff61}com", Same),
            ("alice@example.com.", Refused("not a domain")),
            ("alice@example..com", Refused("not a domain")),
            ("alice@.example.com", Refused("not a domain")),
            ("alice@", Refused("not a domain")),
            ("@alice", Refused("before the @")),
            ("@example.com", Refused("before the @")),
            (".alice@example.com", Refused("dot before the @")),
            ("alice.@example.com", Refused("dot before the @")),
            ("al..ice@example.com", Refused("dot before the @")),
            ("alice@@example.com", Refused("not a domain")),
            ("alice@x@example.com", Refused("not a domain")),
            ("Alice <alice@example.com>", Refused("display name")),
            ("<alice@example.com>", Refused("display name")),
            ("\"Alice\" <alice@example.com>", Refused("display name")),
            ("\"alice\"@example.com", Refused("quotes")),
            ("alice@example.com (Alice)", Refused("not a domain")),
            ("alice(x)@example.com", Refused("before the @")),
            ("(x)alice@example.com", Refused("before the @")),
            ("Alice alice@example.com", Refused("before the @")),
            ("alice @example.com", Refused("before the @")),
            ("alice@ example.com", Refused("not a domain")),
            (
                "alice@example.com, bob@example.com",
                Refused("not a domain"),
            ),
            ("alice@example.com;", Refused("not a domain")),
            ("alice\\@example.com", Refused("before the @")),
            ("alice@[192.0.2.1]", Refused("not a domain")),
            ("mailto:alice@example.com", Refused("mailto:")),
            ("MailTo:alice@example.com", Refused("mailto:")),
            ("smtp:alice@example.com", Refused("smtp:")),
            ("acct:alice@example.com", Refused("acct:")),
            ("https://example.com/alice@example.com", Refused("URL")),
            ("alice%40example.com", Refused("encoded @")),
            ("alice&#64;example.com", Refused("encoded @")),
            ("alice\u{ff20}example.com", Refused("looks like \"@\"")),
            ("\u{ff41}lice@example.com", Refused("looks like \"a\"")),
            ("\u{1d41a}lice@example.com", Refused("looks like \"a\"")),
            ("\u{24d0}lice@example.com", Refused("looks like \"a\"")),
            ("alice\u{fe52}@example.com", Refused("looks like \".\"")),
            ("\u{430}lice@example.com", Refused("several scripts")),
            ("alic\u{435}@example.com", Refused("several scripts")),
            ("alice@ex\u{430}mple.com", Refused("several scripts")),
            ("alice@xn--exmple-4nf.com", Refused("several scripts")),
            ("\u{3b1}lice@example.com", Refused("several scripts")),
            (
                "\u{430}\u{43b}\u{438}\u{441}\u{430}@example.com",
                Refused("several scripts"),
            ),
            ("alice\u{200b}@example.com", Refused("U+200B")),
            ("\u{feff}alice@example.com", Refused("U+FEFF")),
            ("alice@exam\u{ad}ple.com", Refused("U+00AD")),
            ("alice\u{200d}@example.com", Refused("U+200D")),
            ("alice\u{2060}@example.com", Refused("U+2060")),
            ("\u{202e}alice@example.com", Refused("U+202E")),
            ("alice\u{fe0f}@example.com", Refused("U+FE0F")),
            ("alice\u{34f}@example.com", Refused("U+034F")),
            ("alice\u{3164}@example.com", Refused("U+3164")),
            ("alice\u{e0061}@example.com", Refused("U+E0061")),
            ("alice\u{2800}@example.com", Refused("U+2800")),
            ("alice@example.com\n", Refused("U+000A")),
            ("alice@example.com\u{0}", Refused("U+0000")),
            ("alice\u{85}@example.com", Refused("U+0085")),
            ("alice\u{e000}@example.com", Refused("U+E000")),
            ("alice\u{fffd}@example.com", Refused("U+FFFD")),
            ("", Refused("empty")),
            ("  ", Refused("empty")),
        ];
        assert!(table.len() >= 60);
        check("alice@example.com", &table);
        let long = format!("{}@example.com", "a".repeat(250));
        check("alice@example.com", &[(&long, Refused("longer than"))]);
    }

    #[test]
    fn a_real_difference_between_two_people_stays() {
        let table = [
            ("al.ice@example.com", Other),
            ("alice+images@example.com", Other),
            ("alice@mail.example.com", Other),
            ("alice@example.org", Other),
            ("alice_@example.com", Other),
            ("alice1@example.com", Other),
            ("alicé@example.com", Other),
            ("alice@example", Other),
            ("alice", Other),
            ("alice at example.com", Other),
        ];
        check("alice@example.com", &table);
    }

    #[test]
    fn names_that_are_no_address_keep_their_case() {
        for name in [
            "alice",
            "Alice",
            "U061F7AUR",
            "6816f79cc0a8016401c5a33be04be441",
            "557058:AbC-dEf",
            "CORP\\alice",
            "auth0|5f7c8ec7c33c6c004bbafe82",
            "alice-smith_2[bot]",
            "O'Brien, Aoife",
            "José Ñuñez",
            "Иван Петров (Ivan)",
            "田中 太郎",
            "张三（运维）",
            "田中Taro",
            "김철수 Kim",
            "1001",
        ] {
            assert_eq!(name.parse::<PersonName>().unwrap().as_str(), name);
        }
        let table = [
            (" alice ", Same),
            ("Alice", Other),
            ("alice-1", Other),
            ("\u{430}lice", Refused("several scripts")),
            ("al\u{456}ce", Refused("several scripts")),
            ("\u{ff41}lice", Refused("looks like")),
            ("al\u{200b}ice", Refused("U+200B")),
            ("al ice", Other),
            ("al  ice", Refused("single space")),
            ("al\u{a0}ice", Refused("single space")),
            ("al\u{2003}ice", Refused("single space")),
            ("@alice", Refused("before the @")),
            ("acct:alice", Refused("acct:")),
            ("https://github.com/alice", Refused("URL")),
        ];
        check("alice", &table);
        // NFC makes a composed and a decomposed accent equal.
        check("jos\u{e9}", &[("jose\u{301}", Same), ("jose", Other)]);
    }

    #[test]
    fn a_domain_counts_in_either_of_its_forms() {
        let table = [
            ("alice@xn--mnchen-3ya.de", Same),
            ("ALICE@M\u{dc}NCHEN.DE", Same),
            ("alice@mu\u{308}nchen.de", Same),
            ("alice@munchen.de", Other),
        ];
        check("alice@m\u{fc}nchen.de", &table);
        let name: PersonName = "Alice@M\u{fc}nchen.de".parse().unwrap();
        assert_eq!(name.as_str(), "alice@xn--mnchen-3ya.de");
        assert_eq!(name.address(), Some(name.as_str()));
        for no_address in ["alice", "alice@host"] {
            let name: PersonName = no_address.parse().unwrap();
            assert_eq!(name.address(), None, "{no_address}");
        }
    }

    proptest::proptest! {
        /// Normalising a normalised name changes nothing, and no text causes a panic.
        #[test]
        fn normalising_twice_changes_nothing(text in "\\PC{0,12}(@\\PC{0,12})?") {
            if let Ok(name) = text.parse::<PersonName>() {
                proptest::prop_assert_eq!(name.as_str().parse::<PersonName>(), Ok(name));
            }
        }
    }
}
