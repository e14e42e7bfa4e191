//! The table of log lines that firmware carries, made of shim/log_lines.txt: texts in which bytes
//! from 128 on stand for pairs of others (byte-pair encoding). How the table is read: the shim's
//! mgos_mqtt_conn.c. Who has it written or checked: header.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};
use regex::bytes::{NoExpand, Regex};

/// Made by this module.
pub const TABLE: &str = "shim/mgos_mqtt_log_lines.h";
const SOURCE: &str = "shim/log_lines.txt";
const ENUM: &str = "src/ffi/shim.rs";

/// Bytes of a line, its NUL included, and of what is shown in it: LINE and SHOWN in the shim, and the
/// longest number.
const LINE: usize = 192;
const SHOWN: usize = 96;
const NUMBER: usize = 11;

/// What stands for a placeholder in the table. Words come after them, a code for each group.
const PLACEHOLDERS: [(&str, u8, usize); 6] = [
    ("s", 1, SHOWN),
    ("a", 2, NUMBER),
    ("a:x", 3, 4),
    ("b", 4, NUMBER),
    ("flags", 5, "0 DUP RETAIN".len()),
    ("ids", 6, "65535 to 65535".len()),
];
const WORDS: u8 = 7;

/// How deep pairs may stand in pairs: the shim expands them by calling itself, on a device's stack.
const DEPTH: usize = 6;

/// The fresh table.
pub fn table() -> Result<String> {
    let lines = parse(&project::read(SOURCE)?).with_context(|| format!("{SOURCE} can't be understood"))?;
    let names: Vec<_> = lines.texts.iter().map(|text| text.name.as_str()).collect();
    let log = project::read(ENUM)?;
    let variants = variants(&log)?;
    ensure!(names == variants, "{SOURCE} has {names:?}, `Log` in {ENUM} {variants:?}");
    write(&lines)
}

struct Text {
    name: String,
    level: u8,
    text: Vec<u8>,
}

/// A group of words: its name, and what is shown for each number.
type Words = (String, Vec<Vec<u8>>);

struct Lines {
    texts: Vec<Text>,
    words: Vec<Words>,
}

fn parse(source: &str) -> Result<Lines> {
    let (mut texts, mut words) = (Vec::new(), Vec::<Words>::new());
    for line in source.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, rest) = line.split_once(' ').with_context(|| format!("{line:?} has no text"))?;
        let (second, text) = rest.split_once(' ').with_context(|| format!("{line:?} has no text"))?;
        ensure!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{text:?} has other bytes than ASCII");
        if name.starts_with(|c: char| c.is_ascii_uppercase()) {
            let level = "EWID".find(second).filter(|_| second.len() == 1).with_context(|| format!("{second:?} is no level"))?;
            texts.push((name, level as u8, text));
            continue;
        }
        if words.last().is_none_or(|(group, _)| group != name) {
            ensure!(words.iter().all(|(group, _)| group != name), "the words of {name} stand apart");
            words.push((name.to_owned(), Vec::new()));
        }
        let group = &mut words.last_mut().expect("just pushed").1;
        ensure!(second.parse() == Ok(group.len()), "{line:?} should have the number {}", group.len());
        group.push(text.as_bytes().to_vec());
    }
    let coded = texts.iter().map(|&(name, level, text)| {
        let (text, len) = code(text, &words).with_context(|| format!("the line {name}"))?;
        ensure!(len < LINE, "the line {name} can have {len} bytes, more than fit");
        Ok(Text { name: name.to_owned(), level, text })
    });
    let texts = coded.collect::<Result<_>>()?;
    Ok(Lines { texts, words })
}

/// A text with codes in place of placeholders, and how long it can become.
fn code(text: &str, words: &[Words]) -> Result<(Vec<u8>, usize)> {
    let (mut coded, mut len, mut rest) = (Vec::new(), 0, text);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').context("a brace is open")?;
        coded.extend(before.as_bytes());
        len += before.len();
        if let Some(&(_, code, longest)) = PLACEHOLDERS.iter().find(|placeholder| placeholder.0 == name) {
            coded.push(code);
            len += longest;
        } else if let Some(group) = words.iter().position(|(group, _)| group == name) {
            coded.push(WORDS + group as u8);
            len += words[group].1.iter().map(Vec::len).max().unwrap_or(0);
        } else {
            bail!("{{{name}}} is nothing that can be shown");
        }
        rest = behind;
    }
    coded.extend(rest.as_bytes());
    Ok((coded, len + rest.len()))
}

/// The variants of `Log`, in their order.
fn variants(rust: &str) -> Result<Vec<&str>> {
    let body = rust.split_once("pub enum Log {").and_then(|(_, rest)| rest.split_once('}')).context("there is no enum Log")?.0;
    Ok(body.lines().filter_map(|line| line.trim().strip_suffix(',')).filter(|line| !line.starts_with('/')).collect())
}

/// Replaces the most frequent pair of bytes by a new one, again and again. The pairs, in the order of
/// their codes.
fn compress(texts: &mut [Vec<u8>]) -> Vec<[u8; 2]> {
    let mut pairs: Vec<[u8; 2]> = Vec::new();
    let mut depths: BTreeMap<u8, usize> = BTreeMap::new();
    while pairs.len() < 128 {
        let mut counts: BTreeMap<[u8; 2], usize> = BTreeMap::new();
        for text in texts.iter() {
            let mut i = 0;
            while let Some(&[a, b]) = text.get(i..).and_then(<[u8]>::first_chunk) {
                *counts.entry([a, b]).or_default() += 1;
                // Of three equal bytes only two are a pair.
                i += if a == b && text.get(i + 2) == Some(&a) { 2 } else { 1 };
            }
        }
        let depth = |b: u8| depths.get(&b).copied().unwrap_or(0);
        counts.retain(|&[a, b], _| depth(a).max(depth(b)) < DEPTH);
        // A pair takes two bytes itself.
        let Some((&pair, _)) =
            counts.iter().filter(|(_, count)| **count > 3).max_by_key(|(pair, count)| (**count, std::cmp::Reverse(**pair)))
        else {
            break;
        };
        let code = 128 + pairs.len() as u8;
        depths.insert(code, 1 + depth(pair[0]).max(depth(pair[1])));
        pairs.push(pair);
        let found = Regex::new(&format!(r"(?s-u)\x{:02x}\x{:02x}", pair[0], pair[1])).expect("two bytes");
        for text in texts.iter_mut() {
            *text = found.replace_all(text, NoExpand(&[code])).into_owned();
        }
    }
    pairs
}

fn write(lines: &Lines) -> Result<String> {
    let mut all: Vec<Vec<u8>> = lines.texts.iter().map(|text| text.text.clone()).collect();
    // Groups of words come behind the lines, each ended by an empty word.
    for (_, words) in &lines.words {
        all.extend(words.iter().cloned());
        all.push(Vec::new());
    }
    let pairs = compress(&mut all);
    let (texts, words) = all.split_at(lines.texts.len());
    let mut out = String::from(
        "/*\n * Copyright the mgos-mqtt contributors. SPDX-License-Identifier: Apache-2.0\n *\n \
         * Made from shim/log_lines.txt, where the texts can be read: do not edit, run `cargo xtask header`.\n */\n\n#pragma once\n\n\
         #include <stdint.h>\n",
    );
    let levels: Vec<u8> =
        lines.texts.chunks(4).map(|four| (0..).zip(four).fold(0, |byte, (i, text)| byte | text.level << (2 * i))).collect();
    array(&mut out, "The levels of the lines, two bits each.", "levels", &levels);
    let bytes = |texts: &[Vec<u8>]| texts.iter().flat_map(|text| text.iter().copied().chain([0])).collect::<Vec<u8>>();
    array(&mut out, "The lines in the order of `mgos_mqtt_log`, each with a NUL.", "lines", &bytes(texts));
    array(&mut out, "Groups of words, each ended by an empty one.", "words", &bytes(words));
    array(&mut out, "What the bytes from 128 on stand for, two bytes each.", "pairs", &pairs.concat());
    Ok(out)
}

fn array(out: &mut String, what: &str, name: &str, bytes: &[u8]) {
    let _ = writeln!(out, "\n/* {what} */\nstatic const uint8_t {name}[] = {{");
    for chunk in bytes.chunks(24) {
        let _ = writeln!(out, "    {},", chunk.iter().map(u8::to_string).collect::<Vec<_>>().join(","));
    }
    out.push_str("};\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the shim makes of a code.
    fn expand(pairs: &[[u8; 2]], code: u8, out: &mut Vec<u8>) {
        match code.checked_sub(128) {
            Some(n) => pairs[n as usize].iter().for_each(|&code| expand(pairs, code, out)),
            None => out.push(code),
        }
    }

    #[test]
    fn what_was_compressed_expands_to_what_it_was() {
        let texts = [&b"the broker, the broker, the broker"[..], b"aaaaaaa", b"", b"theaaaa the"].map(<[u8]>::to_vec);
        let mut coded = texts.clone();
        let pairs = compress(&mut coded);
        assert!(coded.concat().len() + pairs.len() * 2 < texts.concat().len());
        for (coded, text) in coded.iter().zip(&texts) {
            let mut out = Vec::new();
            coded.iter().for_each(|&code| expand(&pairs, code, &mut out));
            assert_eq!(&out, text);
        }
    }

    #[test]
    fn a_line_that_can_be_too_long_or_shows_what_is_not_there_is_refused() {
        assert!(parse("Sub I sub {s} @ {a}\n").is_ok());
        assert!(parse(&format!("Sub I {}{{s}}\n", "x".repeat(LINE - SHOWN))).is_err());
        assert!(parse("Sub I {nothing}\n").is_err());
        assert!(parse("Sub X text\n").is_err());
        assert!(parse("Sub I {word}\nword 1 one\n").is_err());
    }
}
