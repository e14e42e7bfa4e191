//! docs/figures.md: the committed figures, next to the original's and the targets. Here: reading
//! the tables, comparing measurements with them, and updating them. Measuring is in size and bench.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

/// Options of a command that measures.
#[derive(clap::Args)]
pub struct Options {
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Write the measurements into docs/figures.md
    #[arg(long)]
    accept: bool,
}

/// A figure, by its name in the first column. Lower is better for all of them.
pub struct Measured {
    pub name: String,
    pub value: u64,
}

/// Percentage by which a figure may exceed the committed one: compilers and C libraries differ
/// slightly between machines.
const TOLERANCE: u64 = 2;

/// A row of a table with the columns figure, original, target, now.
#[derive(Debug, PartialEq)]
struct Row {
    name: String,
    original: Option<u64>,
    target: Option<u64>,
    now: Option<u64>,
    /// Line number.
    line: usize,
}

/// Prints the measurements next to their section's table. Fails if a figure is worse than the
/// committed one, or if table and measurements name different figures.
pub fn report(sections: &[(&str, Vec<Measured>)], options: &Options) -> Result<()> {
    let path = path();
    let mut text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut all = Vec::new();
    let mut found = Vec::new();
    for (section, measured) in sections {
        let rows = rows(&text, section)?;
        all.extend(json(&rows, measured));
        if !options.json {
            print(section, &rows, measured);
        }
        found.extend(problems(&rows, measured));
        if options.accept {
            text = accepted(&text, section, measured)?;
        }
    }
    if options.json {
        println!("{:#}", serde_json::Value::Array(all));
    }
    if options.accept {
        return project::write_if_changed(&path, &text);
    }
    if !found.is_empty() {
        bail!(
            "differs from docs/figures.md:\n  {}\nIf this is intended, rerun with --accept to update the table, and add a row to docs/figures-history.md that says why.",
            found.join("\n  ")
        );
    }
    Ok(())
}

fn path() -> PathBuf {
    project::root().join("docs/figures.md")
}

/// The rows of the first table below a heading.
fn rows(text: &str, section: &str) -> Result<Vec<Row>> {
    let mut inside = false;
    let mut rows = Vec::new();
    for (line, content) in text.lines().enumerate() {
        if let Some(heading) = content.strip_prefix("## ") {
            inside = heading == section;
        } else if inside && content.starts_with('|') {
            rows.push((line, content));
        } else if !rows.is_empty() {
            break;
        }
    }
    ensure!(rows.len() >= 3, "docs/figures.md has no table with figures below \"## {section}\"");
    rows.split_off(2).into_iter().map(|(line, content)| row(line, content)).collect()
}

fn row(line: usize, content: &str) -> Result<Row> {
    let cells: Vec<&str> = content.trim_matches('|').split('|').map(str::trim).collect();
    let [name, original, target, now] = cells[..] else {
        bail!("docs/figures.md, line {}: expected four columns: figure, original, target, now", line + 1);
    };
    let number = |cell: &str| match cell {
        "-" => Ok(None),
        _ => {
            cell.replace(',', "").parse().map(Some).with_context(|| format!("docs/figures.md, line {}: {cell:?} is not a number", line + 1))
        }
    };
    Ok(Row { name: name.into(), original: number(original)?, target: number(target)?, now: number(now)?, line })
}

fn find<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.name == name)
}

fn problems(rows: &[Row], measured: &[Measured]) -> Vec<String> {
    let mut problems = Vec::new();
    for Measured { name, value } in measured {
        match find(rows, name).and_then(|row| row.now) {
            None => problems.push(format!("{name}: {value}, and there is no committed figure")),
            Some(now) if value * 100 > now * (100 + TOLERANCE) => problems.push(format!(
                "{name}: {} is worse than the committed {} by more than {TOLERANCE} %",
                grouped(*value),
                grouped(now)
            )),
            Some(_) => {}
        }
    }
    let lost = rows.iter().filter(|row| measured.iter().all(|measured| measured.name != row.name));
    problems.extend(lost.map(|row| format!("{}: not measured", row.name)));
    problems
}

/// The text with the measurements in the last column.
fn accepted(text: &str, section: &str, measured: &[Measured]) -> Result<String> {
    let rows = rows(text, section)?;
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    let written = |name: &str, original, target, value| format!("| {name} | {} | {} | {} |", cell(original), cell(target), grouped(value));
    for row in &rows {
        if let Some(measured) = measured.iter().find(|measured| measured.name == row.name) {
            lines[row.line] = written(&row.name, row.original, row.target, measured.value);
        }
    }
    let end = rows.last().map_or(lines.len(), |row| row.line + 1);
    let new = measured.iter().filter(|measured| find(&rows, &measured.name).is_none());
    let new: Vec<_> = new.map(|measured| written(&measured.name, None, None, measured.value)).collect();
    lines.splice(end..end, new);
    Ok(lines.join("\n") + "\n")
}

fn print(section: &str, rows: &[Row], measured: &[Measured]) {
    println!("{section:<60} {:>9} {:>9} {:>10} {:>9}", "original", "target", "committed", "now");
    for Measured { name, value } in measured {
        let row = find(rows, name);
        let of = |column: fn(&Row) -> Option<u64>| cell(row.and_then(column));
        let target = row.and_then(|row| row.target);
        let mark = match target {
            Some(target) if *value > target => " above the target",
            _ => "",
        };
        println!("{name:<60} {:>9} {:>9} {:>10} {:>9}{mark}", of(|r| r.original), of(|r| r.target), of(|r| r.now), grouped(*value));
    }
}

fn json(rows: &[Row], measured: &[Measured]) -> Vec<serde_json::Value> {
    let list = measured.iter().map(|Measured { name, value }| {
        let row = find(rows, name);
        serde_json::json!({
            "figure": name,
            "original": row.and_then(|row| row.original),
            "target": row.and_then(|row| row.target),
            "committed": row.and_then(|row| row.now),
            "now": value,
        })
    });
    list.collect()
}

fn cell(number: Option<u64>) -> String {
    number.map_or("-".into(), grouped)
}

/// 1234567 as 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Figures\n\n## A\n\nWords.\n\n| figure | original | target | now |\n|---|--:|--:|--:|\n| one | 1,500 | 1,000 | 2,000 |\n\
                        | two | - | - | 0 |\n\n## B\n\n| figure | original | target | now |\n|---|--:|--:|--:|\n| one | 1 | 1 | 1 |\n";

    fn measured(list: &[(&str, u64)]) -> Vec<Measured> {
        list.iter().map(|(name, value)| Measured { name: name.to_string(), value: *value }).collect()
    }

    #[test]
    fn two_percent_worse_passes_and_more_fails() {
        let rows = rows(TEXT, "A").unwrap();
        assert!(problems(&rows, &measured(&[("one", 2040), ("two", 0)])).is_empty());
        assert_eq!(problems(&rows, &measured(&[("one", 2041), ("two", 0)])).len(), 1);
        assert_eq!(problems(&rows, &measured(&[("one", 1000), ("two", 1)])).len(), 1);
    }

    #[test]
    fn a_figure_without_a_row_and_a_row_without_a_figure_are_problems() {
        let rows = rows(TEXT, "A").unwrap();
        assert_eq!(problems(&rows, &measured(&[("one", 1), ("two", 0), ("three", 1)])).len(), 1);
        assert_eq!(problems(&rows, &measured(&[("one", 1)])).len(), 1);
    }

    #[test]
    fn accepting_writes_the_last_column_of_its_own_section_and_adds_new_rows() {
        let text = accepted(TEXT, "A", &measured(&[("one", 1234), ("three", 7)])).unwrap();
        assert!(text.contains("| one | 1,500 | 1,000 | 1,234 |\n| two | - | - | 0 |\n| three | - | - | 7 |\n\n## B\n"), "{text}");
        assert!(text.ends_with("| one | 1 | 1 | 1 |\n"), "{text}");
        assert!(problems(&rows(&text, "A").unwrap(), &measured(&[("one", 1234), ("two", 0), ("three", 7)])).is_empty());
    }

    #[test]
    fn a_cell_that_is_not_a_number_is_reported_with_its_line() {
        let error = rows(&TEXT.replace("1,500", "many"), "A").unwrap_err();
        assert!(error.to_string().contains("line 9"), "{error}");
    }

    #[test]
    fn the_committed_tables_can_be_read() {
        let text = std::fs::read_to_string(path()).unwrap();
        for section in [crate::size::SECTION, crate::bench::INSTRUCTIONS, crate::bench::CHIPS, crate::bench::GROWTH, crate::bench::MEMORY] {
            assert!(!rows(&text, section).unwrap().is_empty());
        }
    }
}
