//! Parses the parts of Markdown that the project's pages use: code lines, code blocks, spans in
//! backticks, tables.

/// The lines of a page, and whether each is code: fenced, or indented by four after an empty line.
pub fn lines(text: &str) -> Vec<(bool, &str)> {
    let (mut fenced, mut indented, mut empty) = (false, false, true);
    let mut all = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        indented = line.starts_with("    ") && (indented || empty) || line.is_empty() && indented;
        all.push((fenced || indented, line));
        empty = line.is_empty();
    }
    all
}

/// The code blocks of a page, as consecutive lines without their indentation.
pub fn blocks(text: &str) -> Vec<Vec<&str>> {
    let lines = lines(text);
    let is_code = |(code, line): &(bool, &str)| *code && !line.trim().is_empty();
    let groups = lines.chunk_by(|a, b| is_code(a) == is_code(b)).filter(|group| is_code(&group[0]));
    groups.map(|group| group.iter().map(|(_, line)| line.strip_prefix("    ").unwrap_or(line)).collect()).collect()
}

/// The contents of the fences for this language.
pub fn fences<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let open = format!("\n```{language}\n");
    text.split(&open).skip(1).filter_map(|after| after.split_once("\n```")).map(|(inside, _)| inside).collect()
}

/// The text between single backticks.
pub fn spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

pub struct Table<'a> {
    /// The heading above it, of the second level.
    pub section: &'a str,
    /// The index of its first line. The rows begin two lines below.
    pub line: usize,
    pub columns: Vec<&'a str>,
    pub rows: Vec<Vec<&'a str>>,
}

/// The tables of a page.
pub fn tables(text: &str) -> Vec<Table<'_>> {
    let (mut tables, mut section, mut line) = (Vec::new(), "", 0);
    let lines: Vec<_> = text.lines().collect();
    for group in lines.chunk_by(|a, b| a.starts_with('|') && b.starts_with('|')) {
        section = group[0].strip_prefix("## ").unwrap_or(section);
        if let [columns, _, rows @ ..] = group {
            tables.push(Table { section, line, columns: cells(columns), rows: rows.iter().map(|row| cells(row)).collect() });
        }
        line += group.len();
    }
    tables
}

/// The cells of a row.
fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_distinguished_from_text() {
        let text = "text\n    not code\n\n    code\n\n    code\ntext\n```\ncode\n```\n";
        let code: Vec<&str> =
            lines(text).into_iter().filter(|(code, line)| *code && !line.is_empty()).map(|(_, line)| line.trim()).collect();
        assert_eq!(code, ["code", "code", "code"]);
        assert_eq!(spans("a `b` c `d e`."), ["b", "d e"]);
    }

    #[test]
    fn blocks_are_consecutive_lines_of_code() {
        let text = "text\n\n    one\n      two\n\n    three\ntext\n```c\nfour\n\nfive\n```\n";
        assert_eq!(blocks(text), [vec!["one", "  two"], vec!["three"], vec!["four"], vec!["five"]]);
        assert_eq!(fences(text, "c"), ["four\n\nfive"]);
        assert!(fences(text, "yaml").is_empty());
    }

    #[test]
    fn a_table_has_columns_and_rows_without_the_line_between_them() {
        let found = tables("# A\n## B\ntext\n| a | `b` |\n|---|--:|\n| c | |\n\n### C\n| d |\n|---|\n");
        let shown: Vec<_> = found.iter().map(|table| (table.section, table.line, &table.columns[..], &table.rows[..])).collect();
        assert_eq!(shown, [("B", 3, &["a", "`b`"][..], &[vec!["c", ""]][..]), ("B", 8, &["d"], &[])]);
    }
}
