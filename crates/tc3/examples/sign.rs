//! Signs the requests on standard input, one JSON object per line, and prints the `Authorization`
//! header of each. Used to compare this signer with another one.

use std::error::Error;
use std::io::BufRead as _;

use jiff::Timestamp;
use serde_json::Value;
use tc3::{SignedParts, SigningInput, sign};

fn main() -> Result<(), Box<dyn Error>> {
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        let text = |field: &'static str| request.get(field).and_then(Value::as_str).ok_or(field);
        let at = request.get("timestamp").and_then(Value::as_i64);
        let headers = [
            ("content-type", text("content_type")?),
            ("host", text("host")?),
        ];
        let signed = sign(&SigningInput {
            secret_id: text("secret_id")?,
            secret_key: text("secret_key")?,
            service: text("service")?,
            timestamp: Timestamp::from_second(at.ok_or("timestamp")?)?,
            request: SignedParts {
                method: text("method")?,
                query: text("query")?,
                headers: &headers,
                payload: text("payload")?.as_bytes(),
            },
        });
        println!("{}", signed.authorization);
    }
    Ok(())
}
