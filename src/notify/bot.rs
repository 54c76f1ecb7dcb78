//! The custom bots of group chats at Feishu, DingTalk and WeCom. A bot has a key in its address; at
//! Feishu and DingTalk it may also have a signing secret. Takes the configured text, a message and
//! the time; returns the path and the body to send.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::domain::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BotKind {
    /// Feishu or Lark.
    Feishu,
    /// DingTalk.
    Dingtalk,
    /// WeCom, whose bots do not sign.
    Wecom,
}

#[derive(Debug, Clone)]
pub struct Bot {
    kind: BotKind,
    /// The key and any signing secret, as the configuration has them.
    written: SecretString,
    /// The secret part of the bot's address.
    key: SecretString,
    signing: Option<SecretString>,
}

impl Bot {
    /// Reads the key in a bot's address and, after a colon, the signing secret if there is one. The
    /// error is a problem and its remedy.
    pub fn read(kind: BotKind, text: &str) -> Result<Self, (&'static str, &'static str)> {
        let (key, signing) = match text.split_once(':') {
            Some((key, signing)) => (key, Some(signing)),
            None => (text, None),
        };
        let remedy = match kind {
            BotKind::Feishu => {
                "write KEY:SECRET, where KEY follows /hook/ in the bot's address and SECRET is its signing secret; \
                 leave out :SECRET if the bot does not sign"
            }
            BotKind::Dingtalk => {
                "write KEY:SECRET, where KEY is the access_token in the bot's address and SECRET its secret (SEC…); \
                 leave out :SECRET if the bot does not sign"
            }
            BotKind::Wecom => "write the key in the bot's address, and nothing else",
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let is_key = |text: &str| (16..=256).contains(&text.len()) && text.bytes().all(plain);
        if !is_key(key) {
            return Err(("is not the key of a bot", remedy));
        }
        if let Some(signing) = signing
            && (kind == BotKind::Wecom || signing.is_empty() || !signing.bytes().all(plain))
        {
            let problem = match kind {
                BotKind::Wecom => "has more than the key of a bot",
                _ => "has no usable signing secret after the colon",
            };
            return Err((problem, remedy));
        }
        Ok(Self {
            kind,
            written: text.into(),
            key: key.into(),
            signing: signing.map(SecretString::from),
        })
    }

    /// Returns the path of the bot's address, and the message's body. If the bot has a signing
    /// secret, adds a signature over the time: to the body for Feishu, and to the path for
    /// DingTalk.
    pub(super) fn signed(&self, mut body: Value, now: Timestamp) -> (String, Value) {
        let key = self.key.expose_secret();
        let signing = self.signing.as_ref().map(|secret| secret.expose_secret());
        match (self.kind, signing) {
            (BotKind::Feishu, signing) => {
                let time = now.as_second().to_string();
                if let (Some(secret), Some(body)) = (signing, body.as_object_mut()) {
                    // For Feishu, the time and the secret are the key of the MAC, and the message
                    // is empty.
                    let sign = mac(&format!("{time}\n{secret}"), "");
                    body.insert("timestamp".to_owned(), time.into());
                    body.insert("sign".to_owned(), sign.into());
                }
                (format!("/open-apis/bot/v2/hook/{key}"), body)
            }
            (BotKind::Dingtalk, None) => (format!("/robot/send?access_token={key}"), body),
            (BotKind::Dingtalk, Some(secret)) => {
                let time = now.as_millisecond();
                let sign = mac(secret, &format!("{time}\n{secret}"));
                let sign = sign.replace('+', "%2B").replace('/', "%2F");
                let sign = sign.replace('=', "%3D");
                let path = format!("/robot/send?access_token={key}&timestamp={time}&sign={sign}");
                (path, body)
            }
            (BotKind::Wecom, _) => (format!("/cgi-bin/webhook/send?key={key}"), body),
        }
    }

    /// Returns the bot's secrets, as configured and as sent.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        [&self.written, &self.key].into_iter().chain(&self.signing)
    }
}

fn mac(key: &str, message: &str) -> String {
    STANDARD.encode(super::sigv4::mac(key.as_bytes(), message))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "0123456789abcdef0123";

    fn signed(kind: BotKind, text: &str) -> (String, Value) {
        let now = Timestamp::from_second(1_764_072_000).unwrap();
        let bot = Bot::read(kind, text).unwrap();
        bot.signed(json!({"msg_type": "text"}), now)
    }

    /// The values are computed with the formulas of the systems' documentation.
    #[test]
    fn each_bot_signs_as_its_document_says() {
        let (path, body) = signed(BotKind::Feishu, &format!("{KEY}:placeholder"));
        assert_eq!(path, format!("/open-apis/bot/v2/hook/{KEY}"));
        let sign = "z4FFvX5IpPpKLtr9P4NsQu+kQp3+P+jsiyD/I3IVVYs=";
        let wanted = json!({"msg_type": "text", "timestamp": "1764072000", "sign": sign});
        assert_eq!(body, wanted);
        let (path, body) = signed(BotKind::Dingtalk, &format!("{KEY}:SECplaceholder"));
        let sign = "j%2FKEJLkb6fmebt5Tdnn%2Fp8cKPi5RYJyL%2BAWAd3eEiZs%3D";
        assert_eq!(
            path,
            format!("/robot/send?access_token={KEY}&timestamp=1764072000000&sign={sign}")
        );
        assert_eq!(body, json!({"msg_type": "text"}));
        let (path, _) = signed(BotKind::Wecom, KEY);
        assert_eq!(path, format!("/cgi-bin/webhook/send?key={KEY}"));
    }

    #[test]
    fn what_is_no_bot_s_secret_is_refused_with_what_to_write() {
        for (kind, text, says) in [
            (BotKind::Feishu, "", "is not the key"),
            (
                BotKind::Feishu,
                "https://open.feishu.cn/x",
                "is not the key",
            ),
            (BotKind::Feishu, "0123456789abcdef0123:", "after the colon"),
            (BotKind::Dingtalk, "short", "is not the key"),
            (
                BotKind::Dingtalk,
                "0123456789abcdef0123:SEC x",
                "after the colon",
            ),
            (BotKind::Wecom, "0123456789abcdef0123:SECx", "has more"),
        ] {
            let (problem, _) = Bot::read(kind, text).unwrap_err();
            assert!(problem.contains(says), "{text}: {problem}");
        }
    }
}
