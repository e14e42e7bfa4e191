//! docs/performance.md: the committed figures, next to the original's and the targets, or in a column
//! for each chip. Here: reading the tables, comparing measurements with them, and updating them.
//! Measuring is in size and bench.

use anyhow::{Context, Result, bail, ensure};

use crate::docs::text::{Table, tables};

const PAGE: &str = "docs/performance.md";

/// Options of a command that measures.
#[derive(clap::Args)]
pub struct Options {
    /// Write the measurements into docs/performance.md
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

/// The columns of most tables. In others each column is a chip, and the figure of a cell is named
/// `CHIP, FIGURE`.
const COLUMNS: [&str; 4] = ["figure", "original", "target", "now"];

/// A committed figure.
#[derive(Debug, PartialEq)]
struct Row {
    name: String,
    original: Option<u64>,
    target: Option<u64>,
    now: Option<u64>,
}

/// Prints the measurements next to their section's table. Fails if a figure is worse than the
/// committed one, or if table and measurements name different figures.
pub fn report(sections: &[(&str, Vec<Measured>)], options: &Options) -> Result<()> {
    let mut text = project::read(PAGE)?;
    let mut found = Vec::new();
    for (section, measured) in sections {
        let rows = rows(&text, section)?;
        print(section, &rows, measured);
        found.extend(problems(&rows, measured));
        if options.accept {
            text = accepted(&text, section, measured)?;
        }
    }
    if options.accept {
        return project::write_if_changed(&project::root().join(PAGE), &text);
    }
    if !found.is_empty() {
        bail!(
            "differs from {PAGE}:\n  {}\nIf this is intended, rerun with --accept to update the table, and add a row to \"What features cost\" in CONTRIBUTING.md that says why.",
            found.join("\n  ")
        );
    }
    Ok(())
}

/// The first table below a heading.
fn table<'a>(text: &'a str, section: &str) -> Result<Table<'a>> {
    let table = tables(text).into_iter().find(|table| table.section == section && !table.rows.is_empty());
    table.with_context(|| format!("{PAGE} has no table with figures below \"## {section}\""))
}

/// The figures of the first table below a heading.
fn rows(text: &str, section: &str) -> Result<Vec<Row>> {
    let Table { line, columns, rows, .. } = table(text, section)?;
    let mut all = Vec::new();
    for (line, cells) in (line + 3..).zip(rows) {
        ensure!(cells.len() == columns.len(), "{PAGE}, line {line}: expected the columns {}", columns.join(", "));
        let number = |cell: &str| match cell {
            "-" => Ok(None),
            _ => cell.replace(',', "").parse().map(Some).with_context(|| format!("{PAGE}, line {line}: {cell:?} is not a number")),
        };
        if columns == COLUMNS {
            let [original, target, now] = [number(cells[1])?, number(cells[2])?, number(cells[3])?];
            all.push(Row { name: cells[0].into(), original, target, now });
            continue;
        }
        for (column, cell) in columns.iter().zip(&cells).skip(1) {
            all.push(Row { name: format!("{column}, {}", cells[0]), original: None, target: None, now: number(cell)? });
        }
    }
    Ok(all)
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
    let lost = rows.iter().filter(|row| row.now.is_some() && measured.iter().all(|measured| measured.name != row.name));
    problems.extend(lost.map(|row| format!("{}: not measured", row.name)));
    problems
}

/// The text with the measurements in the table of the section; what has no place there gets a row.
fn accepted(text: &str, section: &str, measured: &[Measured]) -> Result<String> {
    let Table { line, columns, rows, .. } = table(text, section)?;
    let old = line + 2..line + 2 + rows.len();
    let mut rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| cell.to_string()).collect()).collect();
    for Measured { name, value } in measured {
        let in_column = |(i, column): (usize, &&str)| Some((i, name.strip_prefix(column)?.strip_prefix(", ")?));
        let found = if columns == COLUMNS { Some((3, name.as_str())) } else { columns.iter().enumerate().find_map(in_column) };
        let (column, name) = found.with_context(|| format!("{PAGE}, {section}: no column for {name}"))?;
        let at = rows.iter().position(|row| row[0] == name).unwrap_or_else(|| {
            rows.push([name].into_iter().chain(columns.iter().skip(1).map(|_| "-")).map(String::from).collect());
            rows.len() - 1
        });
        rows[at][column] = grouped(*value);
    }
    let mut lines: Vec<String> = text.lines().map(String::from).collect();
    lines.splice(old, rows.iter().map(|row| format!("| {} |", row.join(" | "))));
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

fn cell(number: Option<u64>) -> String {
    number.map_or("-".into(), grouped)
}

/// 1234567 as 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect::<Vec<_>>().join(",")
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
    fn a_column_for_each_chip_holds_a_figure_for_each_row() {
        let text = "## A\n\n| figure | M4 | esp32 |\n|---|--:|--:|\n| idle, 1 | 1,500 | 7 |\n";
        let found = rows(text, "A").unwrap();
        assert!(problems(&found, &measured(&[("M4, idle, 1", 1500), ("esp32, idle, 1", 7)])).is_empty());
        assert_eq!(problems(&found, &measured(&[("M4, idle, 1", 1600)])).len(), 2);
        let text = accepted(text, "A", &measured(&[("M4, idle, 1", 1600), ("esp32, idle, 1", 7), ("M4, new", 2)])).unwrap();
        assert!(text.ends_with("| idle, 1 | 1,600 | 7 |\n| new | 2 | - |\n"), "{text}");
        assert!(accepted(&text, "A", &measured(&[("M3, idle, 1", 1)])).is_err());
    }

    #[test]
    fn a_cell_that_is_not_a_number_is_reported_with_its_line() {
        let error = rows(&TEXT.replace("1,500", "many"), "A").unwrap_err();
        assert!(error.to_string().contains("line 9"), "{error}");
    }

    #[test]
    fn the_committed_tables_can_be_read() {
        let text = project::read(PAGE).unwrap();
        for section in [crate::size::SECTION, crate::bench::INSTRUCTIONS, crate::bench::CHIPS, crate::bench::GROWTH, crate::bench::MEMORY] {
            assert!(!rows(&text, section).unwrap().is_empty());
        }
    }
}
