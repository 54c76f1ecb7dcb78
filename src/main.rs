//! argv and environment become a role and an exit code; nothing else happens here.
fn main() {}
