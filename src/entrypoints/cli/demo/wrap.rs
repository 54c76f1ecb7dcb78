//! Breaks the demo's lines so that they fit into 80 columns beside its margin.

/// Characters beside the margin.
const MAX_WIDTH: usize = 68;

/// The parts of a line: broken between words, and inside a word that is too long for a line.
pub(super) fn wrapped(line: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for word in line.split(' ') {
        let chars: Vec<char> = word.chars().collect();
        for piece in chars.chunks(MAX_WIDTH) {
            let piece: String = piece.iter().collect();
            match parts.last_mut() {
                Some(part) if part.chars().count() + piece.chars().count() < MAX_WIDTH => {
                    part.push(' ');
                    part.push_str(&piece);
                }
                _ => parts.push(piece),
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_is_wider_than_the_page_and_no_character_is_lost() {
        let long = format!("record {} sha256:{}", "r".repeat(54), "f".repeat(64));
        for line in ["", "short", &long, &"x".repeat(200), &"word ".repeat(40)] {
            let parts = wrapped(line);
            assert!(
                parts.iter().all(|part| part.chars().count() <= MAX_WIDTH),
                "{parts:?}"
            );
            let kept = |text: &str| text.replace(' ', "");
            assert_eq!(kept(&parts.concat()), kept(line));
        }
    }
}
