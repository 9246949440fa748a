//! The JSON envelope: one object per update, the same in the gateway, in `watch --json` and in fixtures.
//!
//! The envelope and the data of the busiest channels are written by hand, because an update is encoded
//! for every network client's format and a general serialiser spends most of its time on numbers that
//! travel as strings. Everything else goes through serde; a test holds the two together.

mod data;
#[cfg(test)]
mod tests;
mod write;

use crate::data::update::{Data, Kind, Source, Update};
use write::{escaped, hex128, signed, unsigned};

/// Encodes one update as the JSON envelope, without a line end.
///
/// `{"type":…,"topic":…,"epoch":…,"offset":n,"time":"ns"|null,"received":"ns","source":…,"data":{…}}`,
/// with `"merged":n` before `data` where the update stands for several, and `"late":true` as the last
/// field of `data` where it fills a gap that had been declared.
pub fn encode(update: &Update) -> String {
    let mut out = Vec::new();
    encode_into(&mut out, update);
    // Only whole UTF-8 was written; an empty text would be a broken invariant and is never seen.
    String::from_utf8(out).unwrap_or_default()
}

/// As [`encode`], behind what `out` holds.
pub fn encode_into(out: &mut Vec<u8>, update: &Update) {
    out.reserve(256 + data::size_hint(&update.data));
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind(update.kind).as_bytes());
    out.extend_from_slice(b"\",\"topic\":");
    escaped(out, update.topic.as_str());
    out.extend_from_slice(b",\"epoch\":\"");
    hex128(out, update.epoch.bits());
    out.extend_from_slice(b"\",\"offset\":");
    unsigned(out, update.offset);
    match update.time {
        Some(time) => {
            out.extend_from_slice(b",\"time\":\"");
            signed(out, time.0);
            out.push(b'"');
        }
        None => out.extend_from_slice(b",\"time\":null"),
    }
    out.extend_from_slice(b",\"received\":\"");
    signed(out, update.received.0);
    out.extend_from_slice(b"\",\"source\":\"");
    out.extend_from_slice(source(update.source).as_bytes());
    out.push(b'"');
    if update.merged > 1 {
        out.extend_from_slice(b",\"merged\":");
        unsigned(out, u64::from(update.merged));
    }
    out.extend_from_slice(b",\"data\":");
    data::write(out, &update.data);
    if update.late {
        mark_late(out, &update.data);
    }
    out.push(b'}');
}

/// Adds `"late":true` to the object just written.
fn mark_late(out: &mut Vec<u8>, data: &Data) {
    out.pop();
    if !matches!(data, Data::Empty {}) {
        out.push(b',');
    }
    out.extend_from_slice(b"\"late\":true}");
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Snapshot => "snapshot",
        Kind::Delta => "delta",
        Kind::Event => "event",
        Kind::Gap => "gap",
        Kind::Status => "status",
        Kind::Tick => "tick",
    }
}

const fn source(source: Source) -> &'static str {
    match source {
        Source::Live => "live",
        Source::Poll => "poll",
        Source::Repair => "repair",
        Source::Cache => "cache",
    }
}
