//! Renders the tables of all commands. In: columns, rows and a screen. Out: text that fits the
//! screen. If the columns do not fit beside each other, the header and each row continue on an
//! indented line.

use crate::domain::visible;

use super::screen::{Screen, Tone};
use super::text;

const GAP: usize = 2;
/// The indentation of a line that continues a row.
const INDENT: usize = 4;

#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Column {
    header: &'static str,
    /// The minimum width of the column, if its cells may take several lines. `None` if each cell
    /// should take one line.
    least: Option<usize>,
}

/// Returns a column of ids, names or times. Each cell takes one line if the screen is wide enough.
pub(in super::super) const fn column(header: &'static str) -> Column {
    let least = None;
    Column { header, least }
}

/// Returns a column of texts or lists, which may take several lines.
pub(in super::super) const fn texts(header: &'static str) -> Column {
    texts_from(header, 24)
}

/// Returns a column of texts or lists. The column is at least `least` wide, unless all its cells
/// are shorter.
pub(in super::super) const fn texts_from(header: &'static str, least: usize) -> Column {
    let least = Some(least);
    Column { header, least }
}

#[derive(Debug, Clone, Default)]
pub(in super::super) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(in super::super) fn new(text: impl Into<String>, tone: Tone) -> Self {
        let text = visible(&text.into(), &[]).into_owned();
        Self { text, tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

#[derive(Debug, Clone, Copy)]
struct Placed {
    index: usize,
    width: usize,
    /// The width that the column needs to show every cell on one line.
    natural: usize,
}

/// Renders a table. Leaves out columns in which all cells are empty.
pub(in super::super) fn table(
    columns: &[Column],
    rows: impl IntoIterator<Item = Vec<Cell>>,
    screen: Screen,
) -> String {
    let rows: Vec<Vec<Cell>> = rows.into_iter().collect();
    let lines = layout(columns, &rows, screen.width);
    let header: Vec<Cell> = columns
        .iter()
        .map(|column| Cell::new(column.header, Tone::Heading))
        .collect();
    let mut out = String::new();
    for row in std::iter::once(&header).chain(&rows) {
        for (number, line) in lines.iter().enumerate() {
            let indent = if number == 0 { 0 } else { INDENT };
            out.push_str(&printed(line, row, indent, screen));
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// Distributes the columns over the lines of a row. The columns of texts get the width that the
/// other columns leave free.
fn layout(columns: &[Column], rows: &[Vec<Cell>], width: usize) -> Vec<Vec<Placed>> {
    let mut lines: Vec<Vec<Placed>> = Vec::new();
    let mut used = width;
    for (index, column) in columns.iter().enumerate() {
        let cells = rows.iter().filter_map(|row| row.get(index));
        let widest = cells.map(|cell| text::width(&cell.text)).max().unwrap_or(0);
        if widest == 0 && !rows.is_empty() {
            continue;
        }
        let natural = widest.max(text::width(column.header));
        let least = column.least.map_or(natural, |least| natural.min(least));
        if used + GAP + least > width {
            used = if lines.is_empty() { 0 } else { INDENT };
            lines.push(Vec::new());
        } else {
            used += GAP;
        }
        // If the column is wider than the screen, make it narrower. `printed` then breaks its cells
        // into lines.
        let least = least.min(width.saturating_sub(used));
        used += least;
        if let Some(line) = lines.last_mut() {
            line.push(Placed {
                index,
                width: least,
                natural,
            });
        }
    }
    for (number, line) in lines.iter_mut().enumerate() {
        let indent = if number == 0 { 0 } else { INDENT };
        let gaps = GAP * line.len().saturating_sub(1);
        let used: usize = line.iter().map(|placed| placed.width).sum();
        let mut spare = width.saturating_sub(indent + gaps + used);
        for placed in line {
            let more = spare.min(placed.natural.saturating_sub(placed.width));
            placed.width += more;
            spare -= more;
        }
    }
    lines
}

/// Formats the columns of a row that are beside each other. The result has several lines if a cell
/// takes several lines.
fn printed(line: &[Placed], row: &[Cell], indent: usize, screen: Screen) -> String {
    let empty = Cell::default();
    let cells: Vec<(&Placed, Tone, Vec<String>)> = line
        .iter()
        .map(|placed| {
            let cell = row.get(placed.index).unwrap_or(&empty);
            let lines = match text::width(&cell.text) > placed.width {
                true => text::lines(&cell.text, placed.width),
                false => vec![cell.text.clone()],
            };
            (placed, cell.tone, lines)
        })
        .collect();
    let height = cells.iter().map(|(.., lines)| lines.len()).max();
    let mut out = String::new();
    for number in 0..height.unwrap_or(0) {
        let (mut text, mut blanks) = (String::new(), indent);
        for (placed, tone, lines) in &cells {
            let part = lines.get(number).map_or("", String::as_str);
            if !part.is_empty() {
                text.push_str(&" ".repeat(std::mem::take(&mut blanks)));
                text.push_str(&screen.paint(*tone, part));
            }
            blanks += placed.width.saturating_sub(text::width(part)) + GAP;
        }
        out.push_str(&text);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 5] = [
        column("AT"),
        column("STATE"),
        column("REQUEST"),
        column("IMAGE"),
        texts("REASON"),
    ];

    fn row(request: &str, reason: &str) -> Vec<Cell> {
        let state = Cell::new("completed", Tone::Good);
        let at = "2026-11-26T11:25:02Z".into();
        vec![
            at,
            state,
            request.into(),
            "lhbp-6jc6l8yb".into(),
            reason.into(),
        ]
    }

    fn shown(rows: &[Vec<Cell>], width: usize) -> String {
        table(&COLUMNS, rows.to_vec(), Screen::of_width(width, false))
    }

    #[test]
    fn columns_line_up() {
        let rows = [row("jira/CHG-7", "July image"), row("gitlab/东京 7", "x")];
        let wanted = "\
AT                    STATE      REQUEST        IMAGE          REASON
2026-11-26T11:25:02Z  completed  jira/CHG-7     lhbp-6jc6l8yb  July image
2026-11-26T11:25:02Z  completed  gitlab/东京 7  lhbp-6jc6l8yb  x";
        assert_eq!(shown(&rows, 80), wanted);
    }

    #[test]
    fn what_does_not_fit_continues_below() {
        let long =
            "预发布环境需要七月的基础镜像，请在本周五之前共享给测试账号；否则演练会推迟到下个月";
        let rows = [row("jira/SHARE-101/10342", long), row("jira/CHG-7", "")];
        let wanted = "\
AT                    STATE      REQUEST
    IMAGE          REASON
2026-11-26T11:25:02Z  completed  jira/SHARE-101/10342
    lhbp-6jc6l8yb  预发布环境需要七月的基础镜像，请在本周五
                   之前共享给测试账号；否则演练会推迟到下个
                   月
2026-11-26T11:25:02Z  completed  jira/CHG-7
    lhbp-6jc6l8yb";
        assert_eq!(shown(&rows, 60), wanted);
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let long = format!("stepfunctions/{}", "arn:aws:states:".repeat(20));
        let rows = [
            row(&long, &"word ".repeat(50)),
            row("东京".repeat(60).as_str(), ""),
        ];
        for width in [40, 63, 80, 200] {
            for line in shown(&rows, width).lines() {
                assert!(text::width(line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn empty_columns_are_left_out_and_only_terminals_get_colours() {
        let text = shown(&[row("a/b", "")], 80);
        assert!(!text.contains("REASON"), "{text}");
        assert!(shown(&[], 80).contains("REASON"));
        assert!(!text.contains('\u{1b}'));
        let coloured = table(&COLUMNS, [row("a/b", "")], Screen::of_width(80, true));
        assert!(coloured.contains("\u{1b}[32mcompleted\u{1b}[0m  a/b"));
    }

    #[test]
    fn invisible_characters_are_shown() {
        let text = shown(&[row("a\u{202e}\nb", "x")], 80);
        assert!(text.contains("a\\u{202e}\\u{a}b"), "{text}");
    }
}
