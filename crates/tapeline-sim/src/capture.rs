//! A recorded session of the venue on disk: its frames, their times and the snapshots taken meanwhile.

use crate::names::family;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A recording in memory. Frames keep the bytes they had on the wire.
#[derive(Debug)]
pub(crate) struct Capture {
    text: String,
    frames: Vec<Frame>,
    /// The names of the stream families, by number.
    pub(crate) streams: Vec<String>,
    /// Receive times, Unix nanoseconds, never going back.
    pub(crate) times: Vec<u64>,
    /// REST depth replies, ordered by the number of frames before them.
    pub(crate) snapshots: Vec<Snapshot>,
    /// USD-M futures: depth frames carry `pu`.
    pub(crate) futures: bool,
}

#[derive(Debug)]
struct Frame {
    line: Range<usize>,
    payload: Range<usize>,
    name: Range<usize>,
    stream: u32,
}

/// A recorded REST depth reply.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The venue's symbol, upper case.
    pub(crate) symbol: String,
    /// How many frames had arrived before the reply.
    pub(crate) after_frame: usize,
    /// The reply as it was received.
    pub(crate) body: String,
}

/// One frame as it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recorded<'a> {
    /// The stream family's number.
    pub(crate) stream: u32,
    /// The stream name inside the frame.
    pub(crate) name: &'a str,
    /// The whole combined frame.
    pub(crate) line: &'a str,
    /// The payload alone, as raw sockets get it.
    pub(crate) payload: &'a str,
}

/// Why a folder is not a recording that can be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// None of the files that the folder needs for this purpose is there.
    #[error("{dir}: none of {wanted} is there; is this the folder of one capture?")]
    Missing {
        /// The folder.
        dir: PathBuf,
        /// The names looked for.
        wanted: String,
    },
    /// A file could not be read or unpacked.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not what the layout says.
    #[error("{path}, line {line}: {why}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// There is not one receive time per frame.
    #[error("{dir}: {frames} frames but {times} receive times")]
    Count {
        /// The folder.
        dir: PathBuf,
        /// Frames found.
        frames: usize,
        /// Times found.
        times: usize,
    },
}

#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow)]
    stream: &'a str,
    #[serde(borrow)]
    data: &'a RawValue,
}

#[derive(Deserialize)]
struct RestLine<'a> {
    symbol: String,
    after_frame: usize,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Capture {
    /// Reads the recording in `dir`.
    ///
    /// # Errors
    /// [`CaptureError`], naming the file and the line.
    pub(crate) fn read(dir: &Path) -> Result<Self, CaptureError> {
        let (path, text) = read_either(dir, &["frames.ndjson", "frames.ndjson.zst"])?;
        let mut capture = Self {
            text: String::new(),
            frames: Vec::new(),
            streams: Vec::new(),
            times: read_times(dir)?,
            snapshots: read_snapshots(dir)?,
            futures: false,
        };
        capture.index(&path, text)?;
        if capture.times.len() != capture.frames.len() {
            let (frames, times) = (capture.frames.len(), capture.times.len());
            return Err(CaptureError::Count { dir: dir.to_owned(), frames, times });
        }
        Ok(capture)
    }

    /// Finds name and payload of every frame, so that playing is only copying.
    fn index(&mut self, path: &Path, text: String) -> Result<(), CaptureError> {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        for (n, line) in text.lines().enumerate() {
            let wrapped: Wrapped<'_> = serde_json::from_str(line)
                .map_err(|e| fault(path, n, &format!("not a combined frame with stream and data: {e}")))?;
            let depth = family(wrapped.stream).ends_with("@depth");
            self.futures |= depth && wrapped.data.get().contains("\"pu\":");
            let key = family(wrapped.stream);
            let stream = numbers.get(key).copied().unwrap_or_else(|| {
                let number = self.streams.len() as u32;
                self.streams.push(key.to_owned());
                numbers.insert(key.to_owned(), number);
                number
            });
            self.frames.push(Frame {
                line: within(&text, line),
                payload: within(&text, wrapped.data.get()),
                name: within(&text, wrapped.stream),
                stream,
            });
        }
        self.text = text;
        Ok(())
    }

    /// How many frames were recorded.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// The frames of a range.
    pub(crate) fn frames(&self, range: Range<usize>) -> impl Iterator<Item = Recorded<'_>> {
        self.frames[range].iter().map(|frame| Recorded {
            stream: frame.stream,
            name: &self.text[frame.name.clone()],
            line: &self.text[frame.line.clone()],
            payload: &self.text[frame.payload.clone()],
        })
    }

    /// Whether any stream is of `symbol` (upper case).
    pub(crate) fn lists(&self, symbol: &str) -> bool {
        let symbol = symbol.to_lowercase();
        let same = |stream: &String| stream.split_once('@').is_some_and(|(name, _)| name == symbol);
        self.streams.iter().any(same)
    }
}

/// Where `part`, which was borrowed from `whole`, lies in it.
fn within(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

fn read_times(dir: &Path) -> Result<Vec<u64>, CaptureError> {
    let names =
        ["recv_ns.txt", "recv_ns.txt.zst", "recv_us.txt", "recv_us.txt.zst", "recv_s.txt", "recv_s.txt.zst"];
    let (path, text) = read_either(dir, &names)?;
    let unit_digits = if has_name(&path, "recv_ns") {
        0
    } else if has_name(&path, "recv_us") {
        3
    } else {
        9
    };
    let parse =
        |(n, line)| nanoseconds(line, unit_digits).ok_or_else(|| fault(&path, n, "not a receive time"));
    text.lines().enumerate().map(parse).collect()
}

fn has_name(path: &Path, prefix: &str) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix))
}

/// A time in units of 10^(`digits` - 9) seconds, possibly with a fraction, as whole nanoseconds.
fn nanoseconds(text: &str, digits: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: u64 = whole.parse().ok()?;
    let mut value = whole.checked_mul(10u64.pow(digits))?;
    for (place, digit) in (1..=digits).zip(fraction.bytes()) {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value = value.checked_add(u64::from(digit) * 10u64.pow(digits - place))?;
    }
    Some(value)
}

/// The snapshots are optional: without them a player answers 503.
fn read_snapshots(dir: &Path) -> Result<Vec<Snapshot>, CaptureError> {
    let (path, text) = match read_either(dir, &["rest_depth.ndjson", "rest_depth.ndjson.zst"]) {
        Err(CaptureError::Missing { .. }) => return Ok(Vec::new()),
        other => other?,
    };
    let parse = |(n, line): (usize, &str)| {
        let line: RestLine<'_> = serde_json::from_str(line).map_err(|e| fault(&path, n, &e.to_string()))?;
        Ok(Snapshot {
            symbol: line.symbol.to_uppercase(),
            after_frame: line.after_frame,
            body: line.body.get().to_owned(),
        })
    };
    let mut snapshots: Vec<_> = text.lines().enumerate().map(parse).collect::<Result<_, CaptureError>>()?;
    snapshots.sort_by_key(|snapshot| snapshot.after_frame);
    Ok(snapshots)
}

/// The first of `names` that is in `dir`, unpacked if it ends in `.zst`.
fn read_either(dir: &Path, names: &[&str]) -> Result<(PathBuf, String), CaptureError> {
    let Some(path) = names.iter().map(|name| dir.join(name)).find(|path| path.exists()) else {
        return Err(CaptureError::Missing { dir: dir.to_owned(), wanted: names.join(", ") });
    };
    let read = || -> io::Result<String> {
        let mut file = std::fs::File::open(&path)?;
        let mut text = String::new();
        if path.extension().is_some_and(|extension| extension == "zst") {
            zstd::Decoder::new(file)?.read_to_string(&mut text)?;
        } else {
            file.read_to_string(&mut text)?;
        }
        Ok(text)
    };
    let text = read().map_err(|source| CaptureError::Read { path: path.clone(), source })?;
    Ok((path, text))
}

fn fault(path: &Path, index: usize, why: &str) -> CaptureError {
    CaptureError::Line { path: path.to_owned(), line: index + 1, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_unit_become_nanoseconds() {
        let check = |text: &str, digits, expected| assert_eq!(nanoseconds(text, digits), expected, "{text}");
        check("1617647603.4249449", 9, Some(1_617_647_603_424_944_900));
        check("1626992741.06217", 9, Some(1_626_992_741_062_170_000));
        check("1633998512", 9, Some(1_633_998_512_000_000_000));
        check("1680652800004107", 3, Some(1_680_652_800_004_107_000));
        check("1723161254206652067", 0, Some(1_723_161_254_206_652_067));
        check("", 0, None);
        check("1.x", 9, None);
        check("99999999999999999999", 9, None);
    }
}
