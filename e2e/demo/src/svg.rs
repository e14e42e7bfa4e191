//! Draws the timeline as SVG: published and received readings as dots over time, with the
//! timeline's lines below. The data come from State and Timeline.

use std::fmt::Write as _;

use crate::broker::Role;

/// A published or received reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Dot {
    Published { qos: usize, dropped: bool },
    Arrived(Role),
}

/// A line of the timeline: seconds, who, what.
pub type Line = (f64, String, String);

const ROWS: [&str; 5] = ["app, QoS 0", "app, QoS 1", "app, QoS 2", "from primary", "from backup"];
const WIDTH: f64 = 960.0;
const LEFT: f64 = 110.0;
const TOP: f64 = 24.0;
const ROW: f64 = 22.0;
const TEXT: f64 = 17.0;

fn row(dot: Dot) -> usize {
    match dot {
        Dot::Published { qos, .. } => qos.min(2),
        Dot::Arrived(Role::Primary) => 3,
        Dot::Arrived(Role::Backup) => 4,
    }
}

/// Renders the whole file.
pub fn draw(lines: &[Line], dots: &[(f64, Dot)]) -> String {
    let end = lines.iter().map(|(at, ..)| *at).chain(dots.iter().map(|(at, _)| *at)).fold(1.0, f64::max);
    let x = |at: f64| LEFT + at / end * (WIDTH - LEFT - 20.0);
    let y = |row: usize| TOP + ROW * (0.5 + u32::try_from(row).map_or(0.0, f64::from));
    let bottom = y(ROWS.len());
    let height = bottom + 24.0 + TEXT * u32::try_from(lines.len()).map_or(0.0, f64::from);
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "<!-- Made by `cargo xtask demo` with the option --svg, from a run of the demo. -->\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"4\" y=\"14\">filled: sent, queued or arrived; hollow: dropped (QoS 0 without a connection); {end:.1} s from left to right</text>"
    );
    for (row, name) in ROWS.iter().enumerate() {
        let y = y(row);
        let _ = writeln!(
            out,
            "<text x=\"4\" y=\"{:.1}\">{name}</text><line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>",
            y + 4.0,
            x(end)
        );
    }
    for (at, who, what) in lines.iter().filter(|(_, who, what)| notable(who, what)) {
        let x = x(*at);
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom:.1}\" stroke=\"#c33\" stroke-dasharray=\"3 3\"><title>{}</title></line>",
            escaped(&format!("{who}: {what}"))
        );
    }
    for &(at, dot) in dots {
        let fill = match dot {
            Dot::Published { dropped: true, .. } => "none",
            Dot::Published { .. } => "#235",
            Dot::Arrived(_) => "#283",
        };
        let _ = writeln!(out, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{fill}\" stroke=\"#235\"/>", x(at), y(row(dot)));
    }
    let mut at_y = bottom + 20.0;
    for (at, who, what) in lines {
        let fill = if notable(who, what) { "#c33" } else { "black" };
        let text = escaped(&format!("{at:7.2}  {who:<9} {what}"));
        let _ = writeln!(out, "<text x=\"4\" y=\"{at_y:.1}\" fill=\"{fill}\" xml:space=\"preserve\">{text}</text>");
        at_y += TEXT;
    }
    out.push_str("</svg>\n");
    out
}

/// Lines that are marked in the diagram: the connection's ups and downs.
fn notable(who: &str, what: &str) -> bool {
    who == "app" && matches!(what, "connected" | "connection lost") || what.starts_with("killed")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{Dot, draw};
    use crate::broker::Role;

    #[test]
    fn each_reading_is_a_dot_in_its_row_and_each_line_is_there_escaped() {
        let lines = [(0.0, "app".to_owned(), "connected".to_owned()), (4.0, "observer".to_owned(), "a <b> & c".to_owned())];
        let dots = [
            (1.0, Dot::Published { qos: 0, dropped: true }),
            (2.0, Dot::Published { qos: 2, dropped: false }),
            (3.0, Dot::Arrived(Role::Backup)),
        ];
        let text = draw(&lines, &dots);
        assert_eq!(text.matches("<circle").count(), 3);
        assert_eq!(text.matches("fill=\"none\" stroke").count(), 1);
        assert!(text.contains("a &lt;b&gt; &amp; c"));
        assert!(text.contains("cy=\"35.0\"") && text.contains("cy=\"79.0\"") && text.contains("cy=\"123.0\""));
        assert_eq!(text.matches("stroke-dasharray").count(), 1);
    }
}
