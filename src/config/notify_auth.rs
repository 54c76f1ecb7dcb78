//! Reads how the program authenticates at the targets of `[[notify]]`. Takes a raw table, returns
//! an [`Auth`], and reports mistakes. `ticket_fetch.rs` uses it for `auth` of a `fetch`.

use secrecy::{ExposeSecret as _, SecretString};
use toml::Spanned;

use crate::notify::{Auth, AuthNeed, AwsKey, Bot, BotKind};

use super::raw_notify::{RawAuth, RawNotify};
use super::reader::{Reader, set};
use super::secrets::SecretValues;

pub(super) const AUTH_FORMS: &str =
    "write auth = { bearer = \"env:NAME\" }, { basic = … } or { header = …, value = … }";

impl Reader<'_> {
    /// Returns the authentication that the preset needs. Reports what is missing or has no effect.
    pub(super) fn auth(&mut self, entry: &Spanned<RawNotify>) -> Option<Auth> {
        let raw = entry.get_ref();
        let preset = *raw.preset.get_ref();
        let whose = format!("notify {:?}", raw.name.get_ref());
        let needs = preset.row().auth;
        let takes_secret = matches!(needs, AuthNeed::Secret | AuthNeed::Bot(_) | AuthNeed::App);
        if let (Some(secret), false) = (&raw.secret, takes_secret) {
            let problem = format!("secret has no effect with preset = \"{preset}\"");
            self.problem(secret, problem, "remove it, or write auth");
        }
        let instead = match needs {
            AuthNeed::Header => None,
            AuthNeed::Secret | AuthNeed::Bot(_) => Some("write secret instead"),
            AuthNeed::App => Some("remove it: the app of the source's `fetch` sends the messages"),
            AuthNeed::Aws => Some("remove it: the function's role signs"),
        };
        if let (Some(auth), Some(instead)) = (&raw.auth, instead) {
            let problem = format!("auth has no effect with preset = \"{preset}\"");
            self.problem(auth, problem, instead);
            return None;
        }
        let (missing, remedy) = match (needs, &raw.secret, &raw.auth) {
            (AuthNeed::Secret, Some(secret), _) => {
                return self.secret_text(&whose, secret).map(Auth::Signed);
            }
            (AuthNeed::Bot(kind), Some(secret), _) => return self.bot(&whose, kind, secret),
            (AuthNeed::App, ..) => return Some(Auth::App),
            (AuthNeed::Aws, ..) => return self.aws(&whose, raw),
            (AuthNeed::Header, _, Some(auth)) => {
                return self.written_auth(&whose, preset.row().bearer, auth);
            }
            (AuthNeed::Secret, None, _) => (
                "secret",
                "write secret = \"env:NAME\"; the variable contains the receiver's whsec_ key",
            ),
            (AuthNeed::Bot(_), None, _) => (
                "secret",
                "write secret = \"env:NAME\"; docs/notifications.md shows what the variable contains",
            ),
            (AuthNeed::Header, _, None) => ("auth", AUTH_FORMS),
        };
        if !self.unread.has(&format!("notify.{missing}")) {
            let problem = format!("{whose}: {missing} is missing");
            self.problem(&raw.preset, problem, remedy);
        }
        None
    }

    fn bot(&mut self, whose: &str, kind: BotKind, written: &Spanned<String>) -> Option<Auth> {
        let text = self.secret_text(whose, written)?;
        let mut text = text.expose_secret();
        let stand_in = self.secrets.stand_in();
        if stand_in.is_some_and(|stand_in| stand_in.expose_secret() == text) {
            text = "the-key-of-no-bot";
        }
        match Bot::read(kind, text) {
            Ok(bot) => Some(Auth::Bot(bot)),
            Err((problem, remedy)) => {
                self.problem(written, format!("{whose}: secret {problem}"), remedy);
                None
            }
        }
    }

    /// Returns the AWS credentials of the process. The region comes from the address, or else from
    /// `AWS_REGION`. For a command that sends nothing, a stand-in replaces missing values.
    fn aws(&mut self, whose: &str, raw: &RawNotify) -> Option<Auth> {
        let stand_in = self.secrets.stand_in().map(|text| text.expose_secret());
        let var = |name: &str| {
            let own = !matches!(self.secrets, SecretValues::StandIn(_));
            let value = set(self.vars, name).filter(|_| own).map(String::as_str);
            value.or(stand_in).map(str::to_owned)
        };
        let host = raw.url.as_ref();
        let host = host.and_then(|url| url.get_ref().strip_prefix("https://states."));
        let of_host = host
            .and_then(|rest| rest.split('.').next())
            .map(str::to_owned);
        let key = (var("AWS_ACCESS_KEY_ID"), var("AWS_SECRET_ACCESS_KEY"));
        if let ((Some(id), Some(secret)), Some(region)) = (key, of_host.or(var("AWS_REGION"))) {
            let secret = SecretString::from(secret);
            let token = var("AWS_SESSION_TOKEN").map(SecretString::from);
            return Some(Auth::Aws(AwsKey {
                id,
                secret,
                token,
                region,
            }));
        }
        let problem = format!("{whose}: the AWS credentials or the region are missing");
        let remedy = "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, as Lambda does";
        self.problem(&raw.preset, problem, remedy);
        None
    }

    fn login(&mut self, whose: &str, written: &Spanned<String>) -> Option<SecretString> {
        let login = self.secret_text(whose, written)?;
        let text = login.expose_secret();
        let stand_in = self.secrets.stand_in();
        let is_stand_in = stand_in.is_some_and(|stand_in| stand_in.expose_secret() == text);
        if !is_stand_in && !text.contains(':') {
            let problem = format!("{whose}: the secret of auth.basic has no colon");
            self.problem(written, problem, "write user, a colon, and the password");
        }
        Some(login)
    }

    /// Reads the fields of `auth`. `prefix` is the text before a bearer token in its header.
    pub(super) fn written_auth(
        &mut self,
        whose: &str,
        prefix: &'static str,
        written: &Spanned<RawAuth>,
    ) -> Option<Auth> {
        let RawAuth {
            basic,
            bearer,
            header,
            value,
        } = written.get_ref();
        match (basic, bearer, header, value) {
            (Some(login), None, None, None) => self.login(whose, login).map(Auth::Basic),
            (None, Some(token), None, None) => {
                let token = self.header_secret(whose, token)?;
                Some(Auth::Bearer(prefix, token))
            }
            (None, None, Some(header), Some(value)) => {
                let name = header.get_ref().to_ascii_lowercase();
                let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
                if name.is_empty() || name.len() > 64 || !name.bytes().all(good) {
                    let remedy = "write the name of a header, such as X-Token";
                    self.problem(header, "auth.header is not a header's name", remedy);
                }
                let value = self.header_secret(whose, value)?;
                Some(Auth::Header(name, value))
            }
            _ => {
                let problem = format!("{whose}: auth mixes its forms, or lacks a part");
                self.problem(
                    written,
                    problem,
                    "write only basic, only bearer, or header with value",
                );
                None
            }
        }
    }
}
